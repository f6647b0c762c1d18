#include "core/error.hpp"

#include <system_error>

namespace emsn::core {

Errc errc_of(int error_number) noexcept {
    switch (error_number) {
    case ENOENT:
    case ENOTDIR:
        return Errc::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
        return Errc::permission;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return Errc::no_space;
    case EBUSY:
    case ETXTBSY:
        return Errc::busy;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EISDIR:
        return Errc::invalid_argument;
    case EOVERFLOW:
        return Errc::too_big;
    default:
        return Errc::io;
    }
}

std::string errno_text(int error_number) {
    return std::generic_category().message(error_number);
}

void throw_errno(std::string_view operation, std::string_view object, int error_number) {
    std::string message(operation);
    message.append(" ").append(object).append(": ").append(errno_text(error_number));
    throw Error(errc_of(error_number), message);
}

} // namespace emsn::core
