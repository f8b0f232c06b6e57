/* A libnvidia-ml.so.1 for tests. The cards stand in the text file that $FAKE_NVML names; it is read again at every
 * call, so that a test changes the machine while a sampler runs. No file: no driver. One fact a line:
 *
 *   card INDEX key=value ...     util (percent), used, total (MiB), temp (C), power, limit (mW), mig (0/1), slices (N),
 *                                mode (compute mode: 0 default, 2 prohibited, 3 exclusive process)
 *   slice INDEX NUMBER key=...   used, total (MiB) of one instance; without this line: the card's used, a part of its total
 *   process INDEX PID MIB [NUMBER]   MIB -1: the driver does not tell; NUMBER: the instance it is on
 *   error FUNCTION CODE [INDEX]  this function answers CODE, for all cards or one
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9 };
enum { MAX_CARDS = 16, MAX_SLICES = 8, MAX_PROCESSES = 256, MAX_ERRORS = 64 };
#define MIB (1024ULL * 1024ULL)
#define API __attribute__((visibility("default")))

typedef int result;
typedef struct card { int index, slice, util, used, total, temp, power, limit, mig, slices, mode; } card;
typedef struct process { int card, pid, mib, slice; } process;
typedef struct fault { char function[80]; int code, card; } fault;
typedef struct { unsigned long long total, free, used; } memory_info;
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } process_info;

static card cards[MAX_CARDS], instances[MAX_CARDS][MAX_SLICES];
static card slices[MAX_CARDS][MAX_SLICES];
static process processes[MAX_PROCESSES];
static fault faults[MAX_ERRORS];
static int card_count, process_count, fault_count;

static void read_card(char *words, card *c) {
    for (char *word = strtok(words, " \n"); word; word = strtok(NULL, " \n")) {
        char *equals = strchr(word, '=');
        if (!equals) continue;
        int value = atoi(equals + 1);
        *equals = 0;
        if (!strcmp(word, "util")) c->util = value;
        else if (!strcmp(word, "used")) c->used = value;
        else if (!strcmp(word, "total")) c->total = value;
        else if (!strcmp(word, "temp")) c->temp = value;
        else if (!strcmp(word, "power")) c->power = value;
        else if (!strcmp(word, "limit")) c->limit = value;
        else if (!strcmp(word, "mig")) c->mig = value;
        else if (!strcmp(word, "slices")) c->slices = value;
        else if (!strcmp(word, "mode")) c->mode = value;
    }
}

static int read_machine(void) {
    char line[512], name[80];
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return 0;
    card_count = process_count = fault_count = 0;
    memset(slices, 0, sizeof slices);
    while (fgets(line, sizeof line, file)) {
        int index, pid, mib, code, number, at = 0, which = -1;
        if (sscanf(line, "card %d %n", &index, &at) == 1 && index >= 0 && index < MAX_CARDS) {
            cards[index] = (card){.index = index, .slice = -1, .total = 16384, .temp = 40, .power = 50000, .limit = 300000};
            read_card(line + at, &cards[index]);
            if (index >= card_count) card_count = index + 1;
        } else if (sscanf(line, "slice %d %d %n", &index, &number, &at) == 2 && index >= 0 && index < MAX_CARDS &&
                   number >= 0 && number < MAX_SLICES) {
            read_card(line + at, &slices[index][number]);
        } else if (sscanf(line, "process %d %d %d %d", &index, &pid, &mib, &which) >= 3 && process_count < MAX_PROCESSES) {
            processes[process_count++] = (process){index, pid, mib, which};
        } else if (sscanf(line, "error %79s %d %d", name, &code, &which) >= 2 && fault_count < MAX_ERRORS) {
            strcpy(faults[fault_count].function, name);
            faults[fault_count].code = code;
            faults[fault_count++].card = which;
        }
    }
    fclose(file);
    return 1;
}

static result begin(const char *function, const card *c) {
    if (!read_machine()) return DRIVER_NOT_LOADED;
    for (int i = 0; i < fault_count; i++)
        if (!strcmp(faults[i].function, function) && (faults[i].card < 0 || (c && c->slice < 0 && faults[i].card == c->index)))
            return faults[i].code;
    return SUCCESS;
}

#define BEGIN(c) do { result r = begin(__func__, c); if (r) return r; } while (0)

API result nvmlInit_v2(void) { BEGIN(NULL); return SUCCESS; }
API result nvmlInitWithFlags(unsigned flags) { (void)flags; BEGIN(NULL); return SUCCESS; }
API result nvmlShutdown(void) { return SUCCESS; }
API const char *nvmlErrorString(result code) {
    switch (code) {
        case 3: return "Not Supported";
        case DRIVER_NOT_LOADED: return "Driver Not Loaded";
        case 15: return "GPU is lost";
        case 18: return "RM has detected an NVML/RM version mismatch.";
        default: return "Error of the fake";
    }
}
API result nvmlSystemGetDriverVersion(char *text, unsigned size) { BEGIN(NULL); snprintf(text, size, "570.00"); return SUCCESS; }
API result nvmlDeviceGetCount_v2(unsigned *count) { BEGIN(NULL); *count = card_count; return SUCCESS; }
API result nvmlDeviceGetHandleByIndex_v2(unsigned index, card **handle) {
    if (index >= MAX_CARDS) return INVALID_ARGUMENT;
    cards[index].index = index; cards[index].slice = -1;
    BEGIN(&cards[index]);
    if ((int)index >= card_count) return INVALID_ARGUMENT;
    *handle = &cards[index];
    return SUCCESS;
}
API result nvmlDeviceGetName(card *c, char *text, unsigned size) { BEGIN(c); snprintf(text, size, "Fake GPU %d", c->index); return SUCCESS; }
API result nvmlDeviceGetUUID(card *c, char *text, unsigned size) {
    BEGIN(c);
    if (c->slice < 0) snprintf(text, size, "GPU-0000000%x-fake", c->index);
    else snprintf(text, size, "MIG-0000000%x-%d-fake", c->index, c->slice);
    return SUCCESS;
}
API result nvmlDeviceGetMemoryInfo(card *c, memory_info *info) {
    BEGIN(c);
    info->total = c->total * MIB; info->used = c->used * MIB; info->free = info->total - info->used;
    return SUCCESS;
}
API result nvmlDeviceGetUtilizationRates(card *c, utilization *rates) { BEGIN(c); rates->gpu = c->util; rates->memory = 0; return SUCCESS; }
API result nvmlDeviceGetTemperature(card *c, int sensor, unsigned *value) { (void)sensor; BEGIN(c); *value = c->temp; return SUCCESS; }
API result nvmlDeviceGetPowerUsage(card *c, unsigned *value) { BEGIN(c); *value = c->power; return SUCCESS; }
API result nvmlDeviceGetEnforcedPowerLimit(card *c, unsigned *value) { BEGIN(c); *value = c->limit; return SUCCESS; }
API result nvmlDeviceGetComputeMode(card *c, int *mode) { BEGIN(c); *mode = c->mode; return SUCCESS; }
API result nvmlDeviceGetMigMode(card *c, unsigned *now, unsigned *pending) { BEGIN(c); *now = *pending = c->mig; return SUCCESS; }
API result nvmlDeviceGetMaxMigDeviceCount(card *c, unsigned *count) { BEGIN(c); *count = c->mig ? 7 : 0; return SUCCESS; }
API result nvmlDeviceGetMigDeviceHandleByIndex(card *c, unsigned number, card **handle) {
    BEGIN(c);
    if ((int)number >= c->slices) return NOT_FOUND;
    card *slice = &slices[c->index][number];
    instances[c->index][number] = slice->total ? (card){.index = c->index, .slice = number, .used = slice->used, .total = slice->total} : (card){.index = c->index, .slice = number, .used = c->used, .total = c->total / (c->slices ? c->slices : 1)};
    *handle = &instances[c->index][number];
    return SUCCESS;
}

static result list(const card *c, unsigned *count, process_info *out) {
    unsigned wanted = 0, at = 0;
    for (int i = 0; i < process_count; i++) wanted += processes[i].card == c->index && processes[i].slice == c->slice;
    if (*count < wanted) { *count = wanted; return INSUFFICIENT_SIZE; }
    for (int i = 0; i < process_count; i++) {
        if (processes[i].card != c->index || processes[i].slice != c->slice) continue;
        unsigned long long used = processes[i].mib < 0 ? ~0ULL : processes[i].mib * MIB;
        out[at++] = (process_info){processes[i].pid, used, ~0u, ~0u};
    }
    *count = at;
    return SUCCESS;
}
API result nvmlDeviceGetComputeRunningProcesses_v3(card *c, unsigned *count, process_info *out) { BEGIN(c); return list(c, count, out); }
API result nvmlDeviceGetGraphicsRunningProcesses_v3(card *c, unsigned *count, process_info *out) { (void)out; BEGIN(c); *count = 0; return SUCCESS; }
