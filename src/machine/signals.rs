//! Signal dispositions inherited from the parent process.

/// Whether this process ignores `signal`.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: queries the action of a signal; all-zero is a valid one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
