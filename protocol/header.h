/* SPDX-License-Identifier: MIT
 *
 * The fixed header that is the first frame of every message, and the batch body that carries many
 * messages in one. Pure; used by broker, workers and client. It never allocates: the header's 32
 * bytes fit inside a zmq_msg_t.
 *
 * Layout, network byte order, no padding:
 *
 *   offset bytes field
 *        0     2 magic          0x4846, "HF"
 *        2     1 version        HEADER_VERSION
 *        3     1 type           enum message_type
 *        4     1 flags          HEADER_FLAG_*; other bits must be 0
 *        5     1 class          enum op_class; 0 except in OPERATION and QUERY
 *        6     2 attempt        1 only when the operation id was never sent before; 0 except in
 *                               OPERATION
 *        8     4 partition      hint; PARTITION_NONE when there is none
 *       12     4 session        given by the broker in WELCOME; 0 in HELLO
 *       16     8 sequence       meaning depends on type, see protocol.md
 *       24     8 not_after_us   microseconds since the epoch by the cluster's clock; 0 except in
 *                               OPERATION and QUERY, where it is required
 */
#ifndef PROTOCOL_HEADER_H
#define PROTOCOL_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEADER_MAGIC 0x4846u
#define HEADER_VERSION 1u
#define HEADER_BYTES 32u
#define PARTITION_NONE 0xffffffffu
/* The most partitions that a region may have; a reservation id holds the partition in 16 bits. */
#define PARTITIONS_MAX 65535u

/* The most messages in one BATCH, and the most bytes of one message body on any connection. */
#define BATCH_MESSAGES_MAX 1024u
#define MESSAGE_BYTES_MAX (4u * 1024u * 1024u)

enum message_type {
    MESSAGE_HELLO = 1,     /* peer → broker: body Hello */
    MESSAGE_WELCOME = 2,   /* broker → peer: body Welcome; the header's session is the new one */
    MESSAGE_HEARTBEAT = 3, /* both ways: body Heartbeat; a worker's carries what it owns */
    MESSAGE_GOODBYE = 4,   /* both ways: no body; the session is over */
    MESSAGE_ERROR = 5,     /* both ways: body Error; the sequence is that of the message at fault */
    MESSAGE_CREDIT = 6,    /* no body: the receiver may send up to this sequence */
    MESSAGE_OPERATION = 16, /* client → broker → worker: body Operation */
    MESSAGE_RESULT = 17,    /* worker → broker → client: body Result */
    MESSAGE_QUERY = 18,     /* client → broker → worker: body Query */
    MESSAGE_ANSWER = 19,    /* worker → broker → client: body Answer */
    MESSAGE_RETURNED = 20, /* worker → broker: no body; not begun, never will be: queue it again */
    MESSAGE_BATCH = 24,    /* both ways: see batch_next; the header's other fields are 0 */
    MESSAGE_STATE = 32,    /* broker → subscribers of its state socket: body BrokerState */
    MESSAGE_CHANGES = 40,  /* worker → subscribers: body Changes */
    MESSAGE_BEACON = 41,   /* worker → subscribers: body Beacon */
    MESSAGE_ASK = 42,      /* subscriber → workers: no body, one frame; see Echo */
    /* Between a relay and its consumers. */
    MESSAGE_SUBSCRIBE = 50,  /* consumer → relay: body Subscribe */
    MESSAGE_SUBSCRIBED = 51, /* relay → consumer: body Subscribed */
    MESSAGE_ASSIGN = 52,     /* relay → consumer: body Assign */
    MESSAGE_EVENTS = 53,     /* relay → consumer: body Events; sequence: number of the last one */
    MESSAGE_ACK = 54,        /* consumer → relay: body Ack */
    MESSAGE_ACKED = 55,      /* relay → consumer: body Ack */
    MESSAGE_YIELD = 56,      /* consumer → relay: body Assign */
    MESSAGE_HALTED = 57,     /* relay → consumer: body Halted */
    MESSAGE_RESUME = 58,     /* consumer → relay: body Ack */
    MESSAGE_AUDITED = 60,    /* client → broker: body AuditReport; no answer */
};

/* Classes of the broker's queues, most urgent first. */
enum op_class {
    CLASS_FREEING = 0,     /* gives capacity back: release, cancel, ship; and settle */
    CLASS_INTERACTIVE = 1, /* a person waits: console, command line */
    CLASS_SERVICE = 2,     /* programs */
    CLASS_BULK = 3,        /* import, bulk files */
    CLASS_COUNT = 4,
};

/* In OPERATION from broker to worker: another operation of this queue may have killed a worker;
 * the worker runs this one in a batch of its own. */
#define HEADER_FLAG_SUSPECT 0x01u

struct header {
    uint8_t type;
    uint8_t flags;
    uint8_t op_class;
    uint16_t attempt;
    uint32_t partition;
    uint32_t session;
    uint64_t sequence;
    int64_t not_after_us;
};

/* Why header_read refused; the text goes into ERROR. */
enum header_error {
    HEADER_OK,
    HEADER_SHORT,   /* not HEADER_BYTES long */
    HEADER_FOREIGN, /* wrong magic: not our protocol */
    HEADER_VERSION_UNKNOWN,
    HEADER_FIELD, /* a field is outside what the table above allows */
};

/* Writes HEADER_BYTES to bytes. */
void header_write(const struct header *header, uint8_t *bytes);

/* Reads and checks what one header alone can show: length, magic, version, flags, class range,
 * fields that must be 0 for the type. An unknown type is not an error here: the reader answers it
 * with an ERROR of its own. */
enum header_error header_read(struct header *header, const uint8_t *bytes, size_t length);

const char *header_error_text(enum header_error error);

/* "operation", "result", …; "type-<n>" is not made up: an unknown type gives NULL. Static text. */
const char *message_type_name(uint8_t type);

/* The body of BATCH is messages one after another, each: header (32 bytes), length of its body
 * (4 bytes, network order), body. Batches are not nested, and hold 1 to BATCH_MESSAGES_MAX. */
#define BATCH_ITEM_BYTES (HEADER_BYTES + 4u)

struct batch_reader {
    const uint8_t *bytes;
    size_t length;
    size_t offset;
    uint32_t count;
};

enum batch_step {
    BATCH_ITEM, /* header, body and body_bytes are set; body points into the batch */
    BATCH_END,
    BATCH_BROKEN, /* truncated, nested, empty, too many, or an item's header is bad */
};

void batch_reader_init(struct batch_reader *reader, const uint8_t *bytes, size_t length);
enum batch_step batch_next(struct batch_reader *reader, struct header *header, const uint8_t **body,
                           size_t *body_bytes);

/* Writes one item's header and length; the caller appends body_bytes of body. */
void batch_item_write(const struct header *header, uint32_t body_bytes, uint8_t *bytes);

#endif
