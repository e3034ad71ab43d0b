"""Every number of uploading, its unit in the name and its source above it. Mirrored by static/src/domain/limits.ts."""

from datetime import timedelta
from types import MappingProxyType
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
TIB: Final = 1024 * GIB

# A call names at most this many items; the wire contract.
MAX_BATCH_ITEMS: Final = 100
MAX_SIGNATURES_PER_ANSWER: Final = 1_000
MAX_PAGE_ITEMS: Final = 1_000
DEFAULT_PAGE_ITEMS: Final = 100

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MIN_PART_BYTES: Final = 5 * MIB
MAX_PART_COUNT: Final = 10_000
# A file up to one part goes by one PUT. Also the window of bytes that an interruption costs.
PREFERRED_PART_BYTES: Final = 8 * MIB
# A multiple of 256 KiB, as Google wants every chunk but the last; it forgets a session after a week.
# https://cloud.google.com/storage/docs/resumable-uploads
RESUMABLE_CHUNK_BYTES: Final = 8 * MIB
RESUMABLE_SESSION_LIFE: Final = timedelta(days=7)

# Far above a 150-MP RAW (about 300 MB); what a signed 64-bit column and every lane carry with ease.
MAX_FILE_BYTES: Final = 2 * GIB
# Defaults of the settings of the same names, which are what counts. A photo counts for its gallery while it is shown or
# staged, for the gallery's owner until its bytes are gone; a file on its way counts for both.
MAX_GALLERY_PHOTOS: Final = 5_000
MAX_GALLERY_BYTES: Final = 500 * GIB
MAX_GALLERY_OPEN_UPLOADS: Final = 5_000
# Forty full galleries.
MAX_USER_PHOTOS: Final = 200_000
MAX_USER_BYTES: Final = 2 * TIB
# Four galleries filled at once. Each may be a session that the store keeps open.
MAX_USER_OPEN_UPLOADS: Final = 20_000
# Of one gallery, counted while they wait for files: nobody looks at more, and each may name a full gallery.
MAX_PUBLICATIONS_IN_PROGRESS: Final = 20

# By kind of call, of one person: calls a second for as long as one likes, and so many more at once after a rest.
# A brake for loops gone wild, not for people: three devices that send 5,000 photos each, three hundred a second, and
# a simple program that registers every file by a call of its own, stay below (tests/uploads/test_rate_limits.py).
CALL_RATES: Final = MappingProxyType(
    {
        "batch": (100, 2_000),
        "sign": (100, 2_000),
        "complete": (100, 2_000),
        "control": (50, 1_000),
        "progress": (50, 500),
        "read": (200, 2_000),
        "write": (50, 1_000),
    }
)

# A 102-MP medium format frame is 11,648 x 8,736; panoramas are longer than they are heavy.
MAX_PIXELS: Final = 110_000_000
MAX_SIDE_PX: Final = 30_000

MAX_NAME_BYTES: Final = 255
MAX_PATH_CHARS: Final = 1_024
MAX_PATH_DEPTH: Final = 8
MAX_CLIENT_ID_CHARS: Final = 64

# Short enough to limit a leaked URL, long enough for 8 MiB at 75 kbit/s.
SIGNED_URL_LIFE: Final = timedelta(minutes=15)
# The store's own 7-day rule for open multiparts must never be first.
UPLOAD_LIFE: Final = timedelta(days=6)
ADOPT_AFTER: Final = timedelta(hours=1)
DEAD_ATTEMPT_KEPT: Final = SIGNED_URL_LIFE + timedelta(hours=1)

# How long a photo waits when its worker was killed. A worker that lives renews what it holds, however long it takes.
LEASE: Final = timedelta(seconds=45)
LEASE_RENEWED_EVERY_S: Final = 10.0
# The largest file from a slow store, scanned, in the slowest decoder. Whoever is at it for longer is stuck.
LEASE_HELD_AT_MOST_S: Final = 1_800.0
MAX_TRIES: Final = 5
RETRY_BASE: Final = timedelta(seconds=2)
RETRY_CAP: Final = timedelta(minutes=5)
# A store that is away says nothing about the file: what was stored within this time is tried until it is back.
STORE_FORGIVEN: Final = timedelta(days=1)
STORE_RETRY_CAP: Final = timedelta(minutes=1)
# A scanner reads some 20 MB/s; what takes longer counts as no answer.
SCAN_WITHIN_S: Final = 180.0

# No database takes any number of parameters.
IDS_OF_A_QUERY: Final = 5_000

PROGRESS_EVERY_S: Final = 0.25

# Of one socket: the engine reports four times a second, in several messages where many files move at once.
SOCKET_MESSAGES_PER_S: Final = 8
SOCKET_MESSAGES_AT_ONCE: Final = 80
# Of one person, in one web process: two for each of 25 tabs.
MAX_SOCKETS_OF_ONE: Final = 50
# By one socket, the newest first.
MAX_GALLERIES_FOLLOWED: Final = 1_000

# An editor's notes have 5 to 100 KB, with many masks some more.
MAX_SIDECAR_BYTES: Final = 512 * 1024
# They are kept in the database: a hundred KB for each photo that a person may have.
MAX_USER_SIDECAR_BYTES: Final = 20 * GIB
MAX_SIDECARS: Final = 4  # of one photo: IMG_1.xmp, IMG_1.CR3.xmp, and those of two versions

# To one person. Who publishes by hand reads each; a loop, or somebody else's title, must not fill a mailbox.
MAX_MAILS_AN_HOUR: Final = 10
