// operator new of this program, and of the emsn.so that it loads, fails at call N.
#pragma once

namespace emsn::test {

// The Nth allocation of this thread from now on fails; 0: none.
void fail_allocation(long number);
[[nodiscard]] bool allocation_failed();

} // namespace emsn::test
