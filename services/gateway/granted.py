"""What goes to an agent with an assignment: what it may read, and where it may store. Pure."""

from dataclasses import dataclass

from spaces_agent import frames


@dataclass(frozen=True, slots=True)
class Granted:
    """Links to the files of the input, to the input itself if it is a file, and to where files of the output go."""

    files: tuple[frames.FileAccess, ...] = ()
    input_file: frames.FileAccess | None = None
    upload_url: str = ""


NOTHING = Granted()
