// C++ objects that outlive a jump of the backend: placed in a memory context, destroyed with it.
#pragma once

#include <new>
#include <type_traits>

#include "pg_ext/postgres_api.hpp"

namespace emsn::pg {

// A default-constructed T in context. Its destructor runs when the context is reset or deleted, so neither an
// ERROR nor a query that stops early leaks what it holds.
template <typename T> T *make_in(MemoryContext context) {
    static_assert(std::is_nothrow_default_constructible_v<T>,
                  "nothing may be thrown past MemoryContextAlloc");
    static_assert(std::is_nothrow_destructible_v<T>, "the backend runs the destructor");
    static_assert(alignof(T) <= MAXIMUM_ALIGNOF, "palloc aligns no further");
    struct Slot {
        MemoryContextCallback callback;
        T object;
    };
    auto *slot = static_cast<Slot *>(MemoryContextAlloc(context, sizeof(Slot)));
    T *object = ::new (&slot->object) T();
    slot->callback = {[](void *at) { static_cast<T *>(at)->~T(); }, object, nullptr};
    MemoryContextRegisterResetCallback(context, &slot->callback);
    return object;
}

} // namespace emsn::pg
