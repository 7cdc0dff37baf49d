"""File elements of a package: template elements and generic file management (profile-package.md 1.4, 2)."""

from __future__ import annotations

from .build import Application3G, Build
from .der import Fields, Tlv, UnknownField, decode_oid
from .fcp import Fcp, FileEntry, Write, parse_fcp, parse_file, parse_offset
from .files import DIRECTORY_STRUCTURES, attach, make_directory, make_file, make_link, overwrite
from .filesystem import (
    MASTER_FILE,
    Directory,
    ElementaryFile,
    FileMissing,
    FileSystem,
    Node,
    Structure,
    split_path,
)
from .outcome import Abort, Status, Unsupported
from .templates import (
    CREATED_BY_DEFAULT,
    ElementKind,
    FileTemplate,
    dotted,
    template_fields,
    template_number,
)

NAA_KINDS = {"adf-usim": "usim", "adf-isim": "isim", "adf-csim": "csim"}

FIRST_FIELD = 0xA2
"""Tag of an element's first file; when that is a directory, the element's other directories go below it."""

PARENT_APPLICATION = {
    "opt-usim": "usim",
    "phonebook": "usim",
    "gsm-access": "usim",
    "df-5gs": "usim",
    "df-saip": "usim",
    "df-snpn": "usim",
    "df-5gprose": "usim",
    "opt-iot": "usim",
    "opt-isim": "isim",
    "opt-csim": "csim",
}
"""Elements whose files live in the latest ADF of a kind."""


def check_template(item: Tlv, kind: ElementKind, build: Build) -> tuple[int, int]:
    """templateID of a file element: (number, version). Raises MalformedDer, Abort, Unsupported (template)."""
    oid = decode_oid(item)
    known = template_number(oid)
    text = dotted(oid)
    if known is None or text in build.limits.templates:
        if text in build.header.templates:
            raise Abort(Status.TEMPLATE_NOT_SUPPORTED, f"template {text}", item.offset)
        raise Unsupported(Status.TEMPLATE_NOT_SUPPORTED, f"template {text}", item.offset)
    if known[0] != kind.template:
        raise Abort(Status.INVALID_PARAMETER, f"template {text} in {kind.name}", item.offset)
    return known


def create_template_files(
    body: Fields, kind: ElementKind, build: Build, identification: int | None, at: int
) -> None:
    """Files of a template element after its header. Raises MalformedDer, UnknownField, Abort, Unsupported."""
    number, template_version = check_template(body.required(0x81), kind, build)
    version = build.header.version
    maker = _ElementFiles(build, kind, identification, at)
    for template in template_fields(number, template_version, version):
        item = body.required(template.tag) if template.mandatory else body.optional(template.tag)
        if item is not None:
            for entry in parse_file(item, version):
                maker.create(template, entry)
        elif number in CREATED_BY_DEFAULT:
            maker.create_default(template)
    body.finish()
    build.context = maker.first or maker.current or build.context


class _ElementFiles:
    """Where the files of one template element go."""

    def __init__(self, build: Build, kind: ElementKind, identification: int | None, at: int) -> None:
        self._build = build
        self._kind = kind
        self._identification = identification
        self._at = at
        self._base = self._start()
        self.current = self._base
        self.first: Directory | None = None

    def _start(self) -> Directory | None:
        if self._kind.name in ("mf", "iot"):
            return None
        wanted = PARENT_APPLICATION.get(self._kind.name)
        if wanted is None:
            if self._kind.name == "eap" and self._build.naas:
                return self._build.naas[-1].directory
            return self._build.tree(self._at).root
        naa = self._build.last_naa(wanted)
        return None if naa is None else naa.directory

    def create(self, template: FileTemplate, entry: FileEntry) -> None:
        """One listed file."""
        if entry.do_not_create:
            self._leave_out(template, entry)
        elif template.structure in DIRECTORY_STRUCTURES:
            self._create_directory(template, entry)
        else:
            self._create_file(template, entry)

    def _leave_out(self, template: FileTemplate, entry: FileEntry) -> None:
        if self._kind.template not in CREATED_BY_DEFAULT or template.structure in DIRECTORY_STRUCTURES:
            raise Abort(Status.BAD_VALUES, f"doNotCreate on {template.name}", entry.offset)
        if self.current is not None and self.current.parent is None:
            self.create_default(template)  # doNotCreate has no effect directly under the MF

    def create_default(self, template: FileTemplate) -> None:
        """A file that the element does not name but its template has."""
        if template.structure in DIRECTORY_STRUCTURES:
            raise Abort(Status.BAD_VALUES, f"{template.name} missing", self._at)
        if template.size is None or template.file_id is None or template.content_required:
            if self._kind.name != "iot":
                raise Abort(Status.BAD_VALUES, f"{template.name} has no default", self._at)
            return
        content: tuple[Write, ...] = ()
        if template.name == "ef-iccid":
            digits = self._build.header.iccid.hex()
            swapped = "".join(digits[i + 1] + digits[i] for i in range(0, 20, 2))
            content = (Write(0, bytes.fromhex(swapped), self._at),)
        self._create_file(template, FileEntry(None, content, False, self._at))

    def _create_directory(self, template: FileTemplate, entry: FileEntry) -> None:
        fcp = entry.fcp
        file_id = fcp.file_id if fcp is not None and fcp.file_id is not None else template.file_id
        if fcp is None or file_id is None or entry.writes:
            raise Abort(Status.BAD_VALUES, f"control parameters of {template.name}", entry.offset)
        application = template.structure is Structure.APPLICATION
        if template.file_id == MASTER_FILE:
            self.current = create_master(self._build, fcp, file_id)
        else:
            parent = self._build.tree(entry.offset).root if application else self._base
            if parent is None:
                raise Abort(Status.INVALID_REQUEST_FORMAT, f"no place for {template.name}", entry.offset)
            self.current = create_directory(self._build, fcp, file_id, parent, application=application)
            if application:
                naa = Application3G(NAA_KINDS[template.name], self.current, self._identification)
                self._build.naas.append(naa)
        if template.tag == FIRST_FIELD:
            self._base = self.current
        self.first = self.first or self.current

    def _create_file(self, template: FileTemplate, entry: FileEntry) -> None:
        if self.current is None:
            raise Abort(Status.INVALID_REQUEST_FORMAT, f"{template.name} without directory", entry.offset)
        fcp = entry.fcp
        file_id = fcp.file_id if fcp is not None and fcp.file_id is not None else template.file_id
        if file_id is None:
            raise Abort(Status.BAD_VALUES, f"{template.name}: no file identifier", entry.offset)
        node: Node
        if fcp is not None and fcp.link:
            node = make_link(fcp, file_id)
        else:
            node = make_file(entry, template, file_id)
        attach(self.current, node, entry.offset)
        self._build.charge(node.memory, entry.offset)


def create_master(build: Build, fcp: Fcp, file_id: int) -> Directory:
    """The MF. Raises Abort."""
    if build.files is not None or file_id != MASTER_FILE:
        raise Abort(Status.BAD_VALUES, "second MF or wrong identifier", fcp.offset)
    root = make_directory(fcp, file_id, None, application=False)
    build.files = FileSystem(root)
    build.charge(root.memory, fcp.offset)
    return root


def create_directory(build: Build, fcp: Fcp, file_id: int, parent: Directory, *, application: bool) -> Directory:
    """A DF or ADF below `parent`. Raises Abort."""
    if application and fcp.df_name is not None and build.tree(fcp.offset).application(fcp.df_name):
        raise Abort(Status.BAD_VALUES, "AID used already", fcp.offset)
    directory = make_directory(fcp, file_id, parent, application=application)
    attach(parent, directory, fcp.offset)
    build.charge(directory.memory, fcp.offset)
    return directory


class GenericFiles:
    """genericFileManagement: a list of commands that select, create and fill files."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._directory = build.files.root if build.files is not None else None
        self._file: ElementaryFile | None = None
        self._first: Directory | None = None

    def run(self, body: Fields) -> None:
        """The element after its header. Raises MalformedDer, UnknownField, Abort."""
        listed = body.required(0xA1)
        body.finish()
        for commands in listed.children():
            if commands.tag != 0x30:
                raise UnknownField(commands.offset)
            self._run(commands.children())
        self._build.context = self._first or self._directory or self._build.context

    def _run(self, commands: list[Tlv]) -> None:
        at = 0
        while at < len(commands):
            command = commands[at]
            at += 1
            if command.tag == 0x80:
                self._select(command)
                continue
            if command.tag not in (0x62, 0x02, 0x81):
                raise UnknownField(command.offset)
            end = at
            while end < len(commands) and commands[end].tag in (0x02, 0x81):
                end += 1
            if command.tag == 0x62:
                self._create(parse_fcp(command, self._build.header.version), _writes(commands[at:end]))
            else:
                self._fill(_writes(commands[at - 1 : end]), command.offset)
            at = end

    def _select(self, command: Tlv) -> None:
        path = split_path(command.octets(0, 8))
        if path is None:
            raise Abort(Status.BAD_VALUES, "file path", command.body_offset)
        tree = self._build.tree(command.offset)
        try:
            node = tree.select(path)
            self._directory = node if isinstance(node, Directory) else self._parent(tree, path)
        except FileMissing as error:
            raise Abort(Status.BAD_VALUES, str(error), command.body_offset) from None
        self._file = node if isinstance(node, ElementaryFile) else None

    @staticmethod
    def _parent(tree: FileSystem, path: tuple[int, ...]) -> Directory:
        parent = tree.select(path[:-1])
        if not isinstance(parent, Directory):
            raise FileMissing("parent is no directory")
        return parent

    def _fill(self, writes: tuple[Write, ...], offset: int) -> None:
        if self._file is None:
            raise Abort(Status.BAD_VALUES, "content without a selected EF", offset)
        overwrite(self._file, writes)

    def _create(self, fcp: Fcp, writes: tuple[Write, ...]) -> None:
        descriptor = fcp.descriptor
        if fcp.file_id is None or fcp.security is None or (descriptor is None and not fcp.link):
            raise Abort(Status.BAD_VALUES, "control parameters of a generic file", fcp.offset)
        directory = descriptor is not None and descriptor.structure is Structure.DIRECTORY
        if directory and not fcp.link:
            self._create_directory(fcp, fcp.file_id, writes)
            return
        if self._directory is None:
            raise Abort(Status.INVALID_REQUEST_FORMAT, "no MF yet", fcp.offset)
        node: Node
        if fcp.link:
            if directory and "dfLink" in self._build.limits.services:
                raise Abort(Status.FEATURE_NOT_SUPPORTED, "link to a directory", fcp.offset)
            node, self._file = make_link(fcp, fcp.file_id), None
            if writes:
                raise Abort(Status.BAD_VALUES, "content for a link", writes[0].offset)
        else:
            node = make_file(FileEntry(fcp, writes, False, fcp.offset), None, fcp.file_id)
            self._file = node
        attach(self._directory, node, fcp.offset)
        self._build.charge(node.memory, fcp.offset)

    def _create_directory(self, fcp: Fcp, file_id: int, writes: tuple[Write, ...]) -> None:
        if writes:
            raise Abort(Status.BAD_VALUES, "content for a directory", writes[0].offset)
        if self._directory is None:
            self._directory = create_master(self._build, fcp, file_id)
        else:
            application = fcp.df_name is not None
            self._directory = create_directory(self._build, fcp, file_id, self._directory, application=application)
        self._first = self._first or self._directory
        self._file = None


def _writes(commands: list[Tlv]) -> tuple[Write, ...]:
    writes: list[Write] = []
    skip = 0
    for command in commands:
        if command.tag == 0x02:
            skip += parse_offset(command)
        else:
            writes.append(Write(skip, command.value, command.body_offset))
            skip = 0
    return tuple(writes)
