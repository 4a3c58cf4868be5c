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
    /// What was done at the signals before, which were blocked on this thread, and its alternate stack.
    struct Before {
        actions: [libc::sigaction; CRASHES.len()],
        blocked: libc::sigset_t,
        stack: libc::stack_t,
    }

    impl Drop for Before {
        fn drop(&mut self) {
            // SAFETY: all three are what the system returned.
            unsafe {
                for (signal, action) in CRASHES.into_iter().zip(&self.actions) {
                    libc::sigaction(signal, action, ptr::null_mut());
                }
                libc::pthread_sigmask(libc::SIG_SETMASK, &self.blocked, ptr::null_mut());
                libc::sigaltstack(&self.stack, ptr::null_mut());
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
    // For overflows of the stack: Rust makes none if the parent process ignored SIGSEGV.
    let mut stack = vec![0_u8; 1 << 16];
    // SAFETY: all-zero values are valid. The handler calls async-signal-safe functions only, and `stack` outlives its use, because `before` is dropped first.
    let _before = unsafe {
        let alternate = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
        let (mut all, mut blocked, mut stack): (libc::sigset_t, libc::sigset_t, libc::stack_t) = (zeroed(), zeroed(), zeroed());
        libc::sigaltstack(&alternate, &mut stack);
        let actions = CRASHES.map(|signal| {
            let (mut action, mut before): (libc::sigaction, libc::sigaction) = (zeroed(), zeroed());
            action.sa_sigaction = say as extern "C" fn(i32) as usize;
            action.sa_flags = libc::SA_ONSTACK;
            libc::sigaction(signal, &action, &mut before);
            libc::sigaddset(&mut all, signal);
            before
        });
        // A fault that is blocked ends the process without a word.
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &all, &mut blocked);
        Before { actions, blocked, stack }
    };
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
