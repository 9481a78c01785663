"""The files that tell a desktop of `.inrz`: its type, its magic numbers, its thumbnails, and the shell's completion."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from inr.codec.kind import CODEC_KINDS
from inr.core.kind import KINDS

MIME = "application/x-inrz"
MARK = "made by inr desktop"
"""In every file; one without it is somebody else's and is left alone."""

_SHELLS = {
    "bash": "bash-completion/completions/inr",
    "zsh": "zsh/site-functions/_inr",
    "fish": "fish/vendor_completions.d/inr.fish",
}


def program() -> str:
    """The command that runs this installation, for a file that another program reads."""
    own = Path(sys.executable).with_name("inr")
    return str(own) if own.exists() else "inr"


def data_home() -> Path:
    """The folder of a user's data, as freedesktop.org's base directories have it."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def files() -> Mapping[Path, str]:
    """Path -> text, of everything that is installed."""
    home = data_home()
    found = {
        home / "mime" / "packages" / "inr.xml": mime_type(),
        home / "inr" / "inr.magic": magic(),
        home / "thumbnailers" / "inr.thumbnailer": thumbnailer(program()),
    }
    return found | {home / place: completion(shell, program()) for shell, place in _SHELLS.items()}


def mime_type() -> str:
    """For shared-mime-info. The type is not of pictures alone: files hold sounds and shapes too."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- {MARK} -->
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="{MIME}">
    <comment>compressed neural field</comment>
    <magic priority="60"><match type="string" offset="0" value="\\x89INR\\r\\n\\x1a\\n"/></magic>
    <glob pattern="*.inrz"/>
  </mime-type>
</mime-info>
"""


def magic() -> str:
    """For file(1): the kind of signal is the first byte of the header, at 21 in the compact layout, else at 28."""
    lines = [f"# {MARK}: file -m FILE, or append it to ~/.magic"]
    lines += ["0\tstring\t\\x89INR\\r\\n\\x1a\\n\tcompressed neural field (inr)", f"!:mime\t{MIME}"]
    lines += [">8\tbyte\tx\tversion %d", ">9\tbyte\tx\t\\b.%d"]
    nouns = sorted((CODEC_KINDS[name].number, KINDS[name].noun) for name in CODEC_KINDS)
    for flag, place in (("4", 21), ("0", 28)):
        lines.append(f">10\tleshort&4\t{flag}")
        lines += [f">>{place}\tbyte\t{number}\t\\b, {noun}" for number, noun in nouns]
    return "\n".join(lines) + "\n"


def thumbnailer(command: str) -> str:
    """For file managers of GNOME, Xfce and others."""
    return f"""# {MARK}
[Thumbnailer Entry]
TryExec={command}
Exec={_of_exec(command)} thumbnail %i %o --side %s
MimeType={MIME};
"""


def _of_exec(word: str) -> str:
    """A word of an Exec line: in double quotes if it has a character that is special there, % doubled."""
    text = word.replace("%", "%%")
    if not re.search(r"[\s\"'\\><~|&;$*?#()`]", text):
        return text
    return '"' + re.sub(r'(["`$\\])', r"\\\1", text) + '"'


def completion(shell: str, command: str) -> str:
    """The script with which a shell asks the program for names of commands and options."""
    word = shlex.quote(command)
    if shell == "bash":
        return f"""# {MARK}
_inr_completion() {{
    local IFS=$'\\n'
    COMPREPLY=( $( env COMP_WORDS="${{COMP_WORDS[*]}}" COMP_CWORD=$COMP_CWORD _INR_COMPLETE=complete_bash {word} ) )
    return 0
}}
complete -o default -F _inr_completion inr
"""
    if shell == "zsh":
        return f"""#compdef inr
# {MARK}
_inr_completion() {{
  eval $(env _TYPER_COMPLETE_ARGS="${{words[1,$CURRENT]}}" _INR_COMPLETE=complete_zsh {word})
}}
_inr_completion
"""
    asked = "env _INR_COMPLETE=complete_fish _TYPER_COMPLETE_ARGS=(commandline -cp) _TYPER_COMPLETE_FISH_ACTION="
    arguments = f'--arguments "({asked}get-args {word})" --condition "{asked}is-args {word}"'
    return f"# {MARK}\ncomplete --command inr --no-files {arguments}\n"
