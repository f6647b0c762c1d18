// PostgreSQL's headers, in the order and the linkage that they need. Standard headers come before this one:
// it turns snprintf and its family into macros.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
#include <postgres.h>

#include <fmgr.h>
#include <funcapi.h>
#include <mb/pg_wchar.h>
#include <miscadmin.h>
#include <storage/latch.h>
#include <storage/pg_shmem.h>
#include <utils/builtins.h>
#include <utils/jsonb.h>
#include <utils/memutils.h>
#include <utils/ps_status.h>
#include <utils/timestamp.h>
#include <utils/tuplestore.h>
#include <utils/wait_event.h>
}
