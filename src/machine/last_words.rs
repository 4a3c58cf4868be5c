//! The last words of a process that crashes: a message and an exit code in place of a signal.

use std::mem::zeroed;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

/// The signals of a crash.
const CRASHES: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// What [`say`] prints, its length in bytes, the seconds to wait first, and the exit code.
static WORDS: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static DELAY: AtomicU32 = AtomicU32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);

/// Runs `work`. If any thread crashes meanwhile, the process waits for `delay` seconds, writes `words` to standard error and exits with `code`. Calls are
/// serialised and must not nest. `words` is leaked, because a handler may outlive the call.
pub fn with_last_words<T>(words: String, delay: u32, code: i32, work: impl FnOnce() -> T) -> T {
    /// The actions, signal mask and alternate stack to restore.
    struct Before {
        actions: [libc::sigaction; CRASHES.len()],
        blocked: libc::sigset_t,
        stack: libc::stack_t,
    }

    impl Drop for Before {
        fn drop(&mut self) {
            // SAFETY: restores values that the same calls returned.
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
    // The handler needs its own stack after a stack overflow; Rust sets one up only if SIGSEGV was not ignored at start-up.
    let mut stack = vec![0_u8; 1 << 16];
    // SAFETY: all-zero values are valid, the handler calls async-signal-safe functions only, and `_before` is dropped before `stack`.
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
        // The kernel kills a process that faults while the signal is blocked.
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &all, &mut blocked);
        Before { actions, blocked, stack }
    };
    work()
}

extern "C" fn say(_signal: i32) {
    let (words, length, code) = (WORDS.load(SeqCst), LENGTH.load(SeqCst), CODE.load(SeqCst));
    // SAFETY: `words` is never freed.
    unsafe {
        let mut left = DELAY.load(SeqCst);
        while left > 0 {
            left = libc::sleep(left);
        }
        libc::write(libc::STDERR_FILENO, words.cast(), length);
        libc::_exit(code)
    }
}
