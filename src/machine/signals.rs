//! Signals: dispositions inherited from the parent process, and the last words of a process that crashes.

use std::mem::zeroed;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering::SeqCst};

/// Whether this process ignores `signal`.
pub fn is_ignored(signal: i32) -> bool {
    // SAFETY: queries the action of a signal; all-zero is a valid one.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        libc::sigaction(signal, ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

/// The signals of a crash.
const CRASHES: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

static WORDS: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static DELAY: AtomicU32 = AtomicU32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);

/// Runs `work`. If a signal of a crash arrives meanwhile, on any thread, the process waits for `delay` seconds, writes `words` to standard error and exits
/// with `code`. One call at a time.
pub fn with_last_words<T>(words: &str, delay: u32, code: i32, work: impl FnOnce() -> T) -> T {
    /// Restores what was done at the signals before.
    struct Before([libc::sigaction; CRASHES.len()]);

    impl Drop for Before {
        fn drop(&mut self) {
            for (signal, action) in CRASHES.into_iter().zip(&self.0) {
                // SAFETY: an action that sigaction returned for this signal.
                unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
            }
        }
    }

    WORDS.store(words.as_ptr().cast_mut(), SeqCst);
    LENGTH.store(words.len(), SeqCst);
    DELAY.store(delay, SeqCst);
    CODE.store(code, SeqCst);
    let _before = Before(CRASHES.map(|signal| {
        // SAFETY: an all-zero action is valid. The handler calls async-signal-safe functions only, and `words` outlives `_before`. The alternate
        // stack, which Rust gives every thread that it starts, is for overflows of the stack.
        unsafe {
            let (mut action, mut before): (libc::sigaction, libc::sigaction) = (zeroed(), zeroed());
            action.sa_sigaction = say as extern "C" fn(i32) as usize;
            action.sa_flags = libc::SA_ONSTACK;
            libc::sigaction(signal, &action, &mut before);
            before
        }
    }));
    work()
}

extern "C" fn say(_signal: i32) {
    // SAFETY: WORDS and LENGTH are those of a text that lives while this handler is installed.
    unsafe {
        let mut left = DELAY.load(SeqCst);
        while left > 0 {
            left = libc::sleep(left);
        }
        libc::write(libc::STDERR_FILENO, WORDS.load(SeqCst).cast(), LENGTH.load(SeqCst));
        libc::_exit(CODE.load(SeqCst))
    }
}
