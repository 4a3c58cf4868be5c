//! The host name.

use std::ffi::c_char;

/// The host name of this machine.
pub fn host_name() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: the last byte is not passed, so the name is NUL-terminated even if truncated.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast::<c_char>(), name.len() - 1) } != 0;
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    if failed { "unknown".to_owned() } else { String::from_utf8_lossy(&name[..end]).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_a_name() {
        assert!(!host_name().is_empty() && !host_name().contains('\0'));
    }
}
