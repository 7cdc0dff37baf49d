"""Whether a profile fits an eUICC (SGP.02 3.1.1 step 5); certificates are checked by the CryptoServer before."""

from __future__ import annotations

from ferryman.contracts import codes
from ferryman.contracts.eis import EIS
from ferryman.contracts.status import ExecutionStatus, failed
from ferryman.sm_dp.records import DPSettings


def required_memory(profile_memory: int, settings: DPSettings) -> int:
    """RequiredMemory of ES3.CreateISDP in bytes."""
    return int(profile_memory * settings.memory_factor) + settings.memory_margin


def check(eis: EIS, *, profile_memory: int, settings: DPSettings) -> ExecutionStatus | None:
    """None when the profile fits, else why not: version, type of eUICC, memory, in this order."""
    version = ".".join(eis.remote_provisioning_version.split(".")[:2])
    if version not in settings.supported_versions:
        sentence = f"RemoteProvisioningVersion {eis.remote_provisioning_version} is not supported"
        return failed(*codes.NOT_ELIGIBLE, sentence, eis.eid)
    if settings.approved_platforms and eis.platform_type not in settings.approved_platforms:
        sentence = f"eUICC type {eis.platform_type} is not approved for this profile"
        return failed(*codes.PROFILE_TYPE_NOT_ELIGIBLE, sentence, eis.eid)
    needed = required_memory(profile_memory, settings)
    if needed > eis.remaining_memory:
        sentence = f"the profile needs {needed} bytes, the eUICC has {eis.remaining_memory}"
        return failed(*codes.EUICC_MEMORY, sentence, eis.eid)
    return None
