#include "tests/sqlite/fault_new.hpp"

#include <cstdlib>
#include <new>

namespace emsn::test {

namespace {

thread_local long calls_left = 0; // 0: nothing fails
thread_local bool failed = false;

bool fails() {
    if (calls_left == 0 || --calls_left > 0)
        return false;
    failed = true;
    return true;
}

} // namespace

void fail_allocation(long number) {
    calls_left = number;
    if (number != 0)
        failed = false;
}

bool allocation_failed() {
    return failed;
}

static void *allocate(std::size_t bytes) {
    void *memory = fails() ? nullptr : std::malloc(bytes);
    if (memory == nullptr)
        throw std::bad_alloc();
    return memory;
}

} // namespace emsn::test

void *operator new(std::size_t bytes) {
    return emsn::test::allocate(bytes);
}
void operator delete(void *memory) noexcept {
    std::free(memory);
}
void operator delete(void *memory, std::size_t) noexcept {
    std::free(memory);
}
