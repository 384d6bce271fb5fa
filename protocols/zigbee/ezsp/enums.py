"""Numbers that EZSP parameters carry: statuses, kinds, and the ids of configuration, values, policies and tokens.

Source: Silicon Labs UG100 "EZSP Reference Guide", version 13 of the protocol. Enumerations of ids have those that the
emulated processor knows.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Status(IntEnum):
    """Status of most commands and of callbacks (EmberStatus, one octet)."""

    SUCCESS = 0x00
    FATAL = 0x01
    BAD_ARGUMENT = 0x02
    NOT_FOUND = 0x03
    WRITE_INHIBITED = 0x46
    DELIVERY_FAILED = 0x66
    BINDING_INDEX_OUT_OF_RANGE = 0x69
    ADDRESS_TABLE_INDEX_OUT_OF_RANGE = 0x6A
    INVALID_BINDING_INDEX = 0x6C
    INVALID_CALL = 0x70
    MAX_MESSAGE_LIMIT_REACHED = 0x72
    MESSAGE_TOO_LONG = 0x74
    INVALID_CHANNEL = 0x8A
    NETWORK_UP = 0x90
    NETWORK_DOWN = 0x91
    NOT_JOINED = 0x93
    NETWORK_OPENED = 0x9C
    NETWORK_CLOSED = 0x9D
    INVALID_ENDPOINT = 0xA3
    SECURITY_STATE_NOT_SET = 0xA8
    INDEX_OUT_OF_RANGE = 0xB1
    KEY_TABLE_INVALID_ADDRESS = 0xB3
    TABLE_FULL = 0xB4
    TABLE_ENTRY_ERASED = 0xB6


class EzspStatus(IntEnum):
    """Status of commands about the processor itself, and of invalidCommand (one octet)."""

    SUCCESS = 0x00
    VERSION_NOT_SET = 0x30
    INVALID_FRAME_ID = 0x31
    WRONG_DIRECTION = 0x32
    TRUNCATED = 0x33
    OUT_OF_MEMORY = 0x35
    INVALID_VALUE = 0x36
    INVALID_ID = 0x37
    INVALID_CALL = 0x38


class KeyStatus(IntEnum):
    """Status of commands of the security manager (sl_status, four octets)."""

    OK = 0x00
    INVALID_STATE = 0x02
    FULL = 0x1C
    INVALID_PARAMETER = 0x21
    INVALID_TYPE = 0x26
    INVALID_INDEX = 0x27
    NOT_FOUND = 0x2D


class NetworkStatus(IntEnum):
    """Whether there is a network (EmberNetworkStatus)."""

    NO_NETWORK = 0
    JOINED = 2


class NodeType(IntEnum):
    """What a device is on the network."""

    COORDINATOR = 1
    ROUTER = 2
    END_DEVICE = 3
    SLEEPY_END_DEVICE = 4


class DeviceUpdate(IntEnum):
    """How a device came or went, in trustCenterJoinHandler."""

    SECURED_REJOIN = 0
    UNSECURED_JOIN = 1
    LEFT = 2
    UNSECURED_REJOIN = 3


class JoinDecision(IntEnum):
    """What the trust centre did about it."""

    USE_PRECONFIGURED_KEY = 0
    SEND_KEY_IN_THE_CLEAR = 1
    DENY = 2
    NO_ACTION = 3


class Outgoing(IntEnum):
    """How a message names its destination."""

    DIRECT = 0
    VIA_ADDRESS_TABLE = 1
    VIA_BINDING = 2
    MULTICAST = 3
    MULTICAST_WITH_ALIAS = 4
    BROADCAST_WITH_ALIAS = 5
    BROADCAST = 6


class Incoming(IntEnum):
    """How a message came."""

    UNICAST = 0
    MULTICAST = 2
    BROADCAST = 4


class Aps(IntFlag):
    """Options of an APS frame."""

    ENCRYPTION = 0x0020
    RETRY = 0x0040
    ROUTE_DISCOVERY = 0x0100
    FRAGMENT = 0x8000


class Scan(IntEnum):
    """What a scan looks for."""

    ENERGY = 0
    ACTIVE = 1


class Security(IntFlag):
    """Bits of the initial and, where they are in it, of the current security state."""

    GLOBAL_LINK_KEY = 0x0004
    HAVE_TRUST_CENTRE_LINK_KEY = 0x0010
    HASHED_LINK_KEY = 0x0084
    HAVE_PRECONFIGURED_KEY = 0x0100
    HAVE_NETWORK_KEY = 0x0200
    NO_FRAME_COUNTER_RESET = 0x1000


class KeyType(IntEnum):
    """Which key a context of the security manager is about."""

    NETWORK = 1
    TRUST_CENTRE_LINK = 2
    TRANSIENT_LINK = 3
    APPLICATION_LINK = 4


class KeyFlag(IntFlag):
    """What of a key's context or of what is said about a key holds."""

    INDEX_IS_VALID = 0x01
    EUI_IS_VALID = 0x02


class KeyBit(IntFlag):
    """What is known of a link key (EmberKeyStructBitmask)."""

    HAS_PARTNER = 0x0008
    IS_AUTHORISED = 0x0010
    PARTNER_IS_SLEEPY = 0x0020


class Config(IntEnum):
    """Ids of configuration values."""

    PACKET_BUFFER_COUNT = 0x01
    NEIGHBOR_TABLE_SIZE = 0x02
    APS_UNICAST_MESSAGE_COUNT = 0x03
    BINDING_TABLE_SIZE = 0x04
    ADDRESS_TABLE_SIZE = 0x05
    MULTICAST_TABLE_SIZE = 0x06
    ROUTE_TABLE_SIZE = 0x07
    DISCOVERY_TABLE_SIZE = 0x08
    STACK_PROFILE = 0x0C
    SECURITY_LEVEL = 0x0D
    MAX_HOPS = 0x10
    MAX_END_DEVICE_CHILDREN = 0x11
    INDIRECT_TRANSMISSION_TIMEOUT = 0x12
    END_DEVICE_POLL_TIMEOUT = 0x13
    TX_POWER_MODE = 0x17
    DISABLE_RELAY = 0x18
    TRUST_CENTER_ADDRESS_CACHE_SIZE = 0x19
    SOURCE_ROUTE_TABLE_SIZE = 0x1A
    FRAGMENT_WINDOW_SIZE = 0x1C
    FRAGMENT_DELAY_MS = 0x1D
    KEY_TABLE_SIZE = 0x1E
    APS_ACK_TIMEOUT = 0x1F
    PAN_ID_CONFLICT_REPORT_THRESHOLD = 0x22
    REQUEST_KEY_TIMEOUT = 0x24
    CERTIFICATE_TABLE_SIZE = 0x29
    APPLICATION_ZDO_FLAGS = 0x2A
    BROADCAST_TABLE_SIZE = 0x2B
    SUPPORTED_NETWORKS = 0x2D
    RETRY_QUEUE_SIZE = 0x34
    NEW_BROADCAST_ENTRY_THRESHOLD = 0x35
    TRANSIENT_KEY_TIMEOUT_S = 0x36
    BROADCAST_MIN_ACKS_NEEDED = 0x37
    TC_REJOINS_USING_WELL_KNOWN_KEY_TIMEOUT_S = 0x38


class Value(IntEnum):
    """Ids of values."""

    FREE_BUFFERS = 0x03
    MAXIMUM_INCOMING_TRANSFER_SIZE = 0x05
    MAXIMUM_OUTGOING_TRANSFER_SIZE = 0x06
    STACK_TOKEN_WRITING = 0x07
    STACK_IS_PERFORMING_REJOIN = 0x08
    EXTENDED_SECURITY_BITMASK = 0x0A
    NODE_SHORT_ID = 0x0B
    DESCRIPTOR_CAPABILITY = 0x0C
    ENDPOINT_FLAGS = 0x0F
    VERSION_INFO = 0x11
    CCA_THRESHOLD = 0x15
    CLEAR_COUNTERS = 0x19
    NWK_FRAME_COUNTER = 0x23
    APS_FRAME_COUNTER = 0x24
    FORCE_TX_AFTER_FAILED_CCA_ATTEMPTS = 0x3A
    TRANSIENT_KEY_TIMEOUT_S = 0x3B
    END_DEVICE_KEEP_ALIVE_SUPPORT_MODE = 0x3F
    TRANSIENT_DEVICE_TIMEOUT = 0x43


class ExtendedValue(IntEnum):
    """Ids of values that depend on something."""

    ENDPOINT_FLAGS = 0x00
    LAST_LEAVE_REASON = 0x01
    SOURCE_ROUTE_OVERHEAD = 0x02


class Policy(IntEnum):
    """Ids of policies."""

    TRUST_CENTER = 0
    BINDING_MODIFICATION = 1
    UNICAST_REPLIES = 2
    POLL_HANDLER = 3
    MESSAGE_CONTENTS_IN_CALLBACK = 4
    TC_KEY_REQUEST = 5
    APP_KEY_REQUEST = 6
    PACKET_VALIDATE_LIBRARY = 7
    ZLL = 8
    TC_REJOINS_USING_WELL_KNOWN_KEY = 9


ALLOW_JOINS = 0x01
"""Bit of the trust centre's policy."""
CONTENTS_IN_CALLBACK = 0x41
"""Decision on what messageSentHandler carries."""


class Counter(IntEnum):
    """Places among the counters of those that the emulated processor counts; the others stay 0."""

    MAC_TX_BROADCAST = 1
    MAC_RX_UNICAST = 2
    MAC_TX_UNICAST_SUCCESS = 3
    MAC_TX_UNICAST_FAILED = 5
    APS_RX_BROADCAST = 6
    APS_TX_BROADCAST = 7
    APS_RX_UNICAST = 8
    APS_TX_UNICAST_SUCCESS = 9
    APS_TX_UNICAST_FAILED = 11
    JOIN_INDICATION = 16
    ASH_FRAMING_ERROR = 19


COUNTERS = 41
"""How many counters there are."""


class Token(IntEnum):
    """Manufacturing tokens."""

    CUSTOM_VERSION = 0
    STRING = 1
    BOARD_NAME = 2
    MANUFACTURER = 3
    PHY_CONFIG = 4
    BOOTLOAD_KEY = 5
    ASH_CONFIG = 6
    STORAGE = 7
    CALIBRATION = 8
    CBKE_DATA = 9
    INSTALLATION_CODE = 10
    FILTER = 11
    CUSTOM_EUI64 = 12
    CTUNE = 13


TOKEN_SIZES = {
    Token.CUSTOM_VERSION: 2,
    Token.STRING: 16,
    Token.BOARD_NAME: 16,
    Token.MANUFACTURER: 2,
    Token.PHY_CONFIG: 2,
    Token.BOOTLOAD_KEY: 16,
    Token.ASH_CONFIG: 40,
    Token.STORAGE: 8,
    Token.CALIBRATION: 32,
    Token.CBKE_DATA: 92,
    Token.INSTALLATION_CODE: 20,
    Token.FILTER: 1,
    Token.CUSTOM_EUI64: 8,
    Token.CTUNE: 2,
}
"""Octets of each."""
