/* The part of NVIDIA's management library that avogit asks, of a machine with three cards.
   CARDS_USERS names the processes that compute on each, CARDS_FAIL a field that is not counted. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };

typedef struct {
    const char *uuid, *name;
} Card;

static Card cards[] = {
    {"GPU-aaaa1111-0000", "NVIDIA H200"},
    {"GPU-aaaa2222-0000", "NVIDIA H200"},
    {"GPU-bbbb3333-0000", "NVIDIA A100-SXM4-80GB"},
};

typedef struct {
    uint32_t field, scope;
    int64_t timestamp, latency_us;
    uint32_t type, result;
    uint64_t value;
} Field;

typedef struct {
    uint32_t pid;
    uint64_t memory;
    uint32_t gpu_instance, compute_instance;
} Process;

static int text(char *to, unsigned size, const char *from) {
    snprintf(to, size, "%s", from);
    return SUCCESS;
}

static int number(unsigned *to, unsigned from) {
    *to = from;
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) { return (void)flags, SUCCESS; }
int nvmlSystemGetDriverVersion(char *to, unsigned size) { return text(to, size, "580.1"); }
int nvmlDeviceGetCount_v2(unsigned *to) { return number(to, sizeof cards / sizeof *cards); }
int nvmlDeviceGetUUID(Card *card, char *to, unsigned size) { return text(to, size, card->uuid); }
int nvmlDeviceGetName(Card *card, char *to, unsigned size) { return text(to, size, card->name); }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Card **to) {
    *to = &cards[index];
    return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Card **to) {
    for (*to = cards; *to < cards + sizeof cards / sizeof *cards; ++*to)
        if (!strcmp((*to)->uuid, uuid)) return SUCCESS;
    return NOT_FOUND;
}

/* 1 is the multiprocessors' clock, 2 the memory's. */
int nvmlDeviceGetClockInfo(Card *card, unsigned clock, unsigned *to) {
    return (void)card, number(to, clock == 1 ? 1755 : 3201);
}
int nvmlDeviceGetMaxClockInfo(Card *card, unsigned clock, unsigned *to) {
    return (void)card, number(to, clock == 1 ? 1980 : 3201);
}
int nvmlDeviceGetPowerUsage(Card *card, unsigned *to) { return (void)card, number(to, 123456); }
int nvmlDeviceGetEnforcedPowerLimit(Card *card, unsigned *to) {
    return (void)card, number(to, 700000);
}
int nvmlDeviceGetTemperature(Card *card, unsigned sensor, unsigned *to) {
    return (void)card, (void)sensor, number(to, 41);
}
int nvmlDeviceGetCurrentClocksEventReasons(Card *card, unsigned long long *to) {
    *to = 4;
    return (void)card, SUCCESS;
}

int nvmlDeviceGetFieldValues(Card *card, int count, Field *fields) {
    const char *fails = getenv("CARDS_FAIL");
    (void)card;
    for (Field *field = fields; field < fields + count; ++field) {
        field->result = fails && strtoul(fails, 0, 10) == field->field ? NOT_SUPPORTED : SUCCESS;
        field->value = field->field * 1000000000ull;
    }
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(Card *card, unsigned *count, Process *to) {
    const char *users = getenv("CARDS_USERS");
    unsigned found = 0;
    char *rest;
    (void)card;
    for (; users && *users; users = *rest ? rest + 1 : rest) {
        unsigned pid = strtoul(users, &rest, 10);
        if (to && found < *count) to[found] = (Process){pid, 1 << 20, 0, 0};
        ++found;
    }
    int fits = to ? found <= *count : !found;
    *count = found;
    return fits ? SUCCESS : INSUFFICIENT_SIZE;
}
