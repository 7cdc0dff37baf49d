"""Commands that prepare a NATS server for an installation: its configuration, its credentials, its streams."""

from __future__ import annotations

from pathlib import Path

from ferryman.cli import output
from ferryman.cli.broker import need_extra, open_broker
from ferryman.cli.commands import write_file
from ferryman.cli.settings import load
from ferryman.errors import InputError
from ferryman.platform.bus_settings import NATS
from ferryman.platform.clock import LoopClock, system_entropy
from ferryman.platform.log import configure

SERVER_FILE = "nats-server.conf"
LISTEN = "127.0.0.1:4222"


def nats_config(
    *,
    out: Path,
    listen: str = LISTEN,
    store: Path | None = None,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
    json: bool = False,
) -> int:
    """Write the configuration of a nats-server and the credential file of every role.

    Each role may publish and listen only where its contracts say so. Hand every process the credential files of
    its own roles and nothing else. Run again, it keeps the keys that are there.

    Parameters
    ----------
    out
        Folder for `nats-server.conf` and `credentials`.
    listen
        HOST:PORT of the server.
    store
        Folder of the server's streams; `store` in the folder when not given.
    tls_certificate
        PEM certificate chain of the server; give it whenever roles are on other machines.
    tls_key
        Its private key.
    """
    need_extra()
    from ferryman.platform.nats_credentials import make
    from ferryman.platform.nats_layout import server_configuration

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise InputError("--listen", "must be HOST:PORT")
    if (tls_certificate is None) != (tls_key is None):
        raise InputError("--tls-key", "goes with --tls-certificate")
    made = make(out / "credentials", system_entropy)
    text = server_configuration(
        made,
        listen=listen,
        store=(store or out / "store").absolute(),
        certificate=tls_certificate and tls_certificate.absolute(),
        key=tls_key and tls_key.absolute(),
    )
    write_file(out / SERVER_FILE, text)
    if json:
        output.emit({"configuration": str(out / SERVER_FILE), "credentials": sorted(made)})
    else:
        output.line(f"{out / SERVER_FILE} and credentials for {', '.join(made)} written")
    return output.DONE


async def nats_streams(*, data: Path, json: bool = False) -> int:
    """Make the streams of an installation on its broker; needs the provisioner's credential.

    Parameters
    ----------
    data
        Directory whose `ferryman.toml` names the broker and the credentials.
    """
    whole = load(data)
    settings = whole.bus
    if settings.kind != NATS:
        raise InputError("bus.kind", f'must be "{NATS}" in {data}')
    need_extra()
    from ferryman.platform.nats_credentials import PROVISIONER
    from ferryman.platform.nats_streams import make_streams

    configure(whole.log_level, whole.log_format)
    remote = open_broker(settings, PROVISIONER, clock=LoopClock(), entropy=system_entropy)
    remote.link.start()
    try:
        made = await make_streams(remote.link)
    finally:
        await remote.link.stop()
    if json:
        output.emit({"streams": made})
    else:
        output.line(f"{made} streams are ready")
    return output.DONE
