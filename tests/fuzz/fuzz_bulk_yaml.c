/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a bulk file in YAML; see bulk_checks.h.
 */
#include "tests/fuzz/bulk_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_bulk_file(BULK_YAML, data, size);
    return 0;
}
