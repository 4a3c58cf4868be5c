//! Signals: dispositions inherited from the parent process, and the last words of a process that crashes.

use std::mem::zeroed;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

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

/// What [`say`] does: the text, its length, seconds to wait, and the exit code.
static WORDS: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static DELAY: AtomicU32 = AtomicU32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);

/// Runs `work`. If a signal of a crash arrives meanwhile, on any thread, the process waits for `delay` seconds, writes `words` to standard error and
/// exits with `code`. Calls wait for each other, and must not nest. Each leaks its words, which a handler may still want.
pub fn with_last_words<T>(words: String, delay: u32, code: i32, work: impl FnOnce() -> T) -> T {
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

    static SPEAKING: Mutex<()> = Mutex::new(());
    let _speaking = SPEAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let words = words.leak();
    WORDS.store(words.as_mut_ptr(), SeqCst);
    LENGTH.store(words.len(), SeqCst);
    DELAY.store(delay, SeqCst);
    CODE.store(code, SeqCst);
    let _before = Before(CRASHES.map(|signal| {
        // SAFETY: an all-zero action is valid, and the handler calls async-signal-safe functions only. The alternate stack, which Rust gives the main
        // thread and those that it starts, is for overflows of the stack.
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
    let (words, length, code) = (WORDS.load(SeqCst), LENGTH.load(SeqCst), CODE.load(SeqCst));
    // SAFETY: a text that lives as long as the process.
    unsafe {
        let mut left = DELAY.load(SeqCst);
        while left > 0 {
            left = libc::sleep(left);
        }
        libc::write(libc::STDERR_FILENO, words.cast(), length);
        libc::_exit(code)
    }
}
