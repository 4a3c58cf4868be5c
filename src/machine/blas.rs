//! The BLAS library at run time: its name, and restricting each call to one thread.
//!
//! Worker threads call BLAS concurrently; threads inside BLAS would oversubscribe the cores and could change the order of summation.
//! OpenBLAS comes in three builds, and which one is loaded is known only at run time:
//! - pthreads: `openblas_set_num_threads` affects all callers, but loading has started one thread per core, which spin for work for 2²⁸
//!   clock ticks (0.1 s);
//! - OpenMP: that call affects only the calling thread, and `OMP_NUM_THREADS` is read once, at load time;
//! - serial: single-threaded, but not thread-safe if built without locks.

use std::ffi::{CStr, c_char, c_int};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Once, OnceLock};

use crate::error::Failed;

unsafe extern "C" {
    fn openblas_get_parallel() -> c_int;
    fn openblas_set_num_threads(threads: c_int);
    fn openblas_get_config() -> *const c_char;
    fn openblas_get_corename() -> *const c_char;
}

/// How the loaded OpenBLAS was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threading {
    Serial,
    Pthreads,
    OpenMp,
}

impl Threading {
    pub fn name(self) -> &'static str {
        match self {
            Threading::Serial => "serial",
            Threading::Pthreads => "pthreads",
            Threading::OpenMp => "OpenMP",
        }
    }
}

/// How the loaded OpenBLAS was built.
pub fn threading() -> Threading {
    // SAFETY: reads a constant of the library.
    match unsafe { openblas_get_parallel() } {
        0 => Threading::Serial,
        2 => Threading::OpenMp,
        _ => Threading::Pthreads,
    }
}

/// Restricts every BLAS call to the calling thread. To be called first in `main`, before MPI is initialised and threads are started: with
/// an OpenMP build the process re-executes itself with `OMP_NUM_THREADS=1` and the same arguments.
///
/// # Errors
/// The process cannot re-execute itself.
pub fn use_one_blas_thread() -> anyhow::Result<()> {
    if must_restart(threading(), std::env::var("OMP_NUM_THREADS").ok().as_deref()) {
        let failed = |why| Failed::new("cannot restart the program for its OpenMP build of OpenBLAS", why, "set OMP_NUM_THREADS=1");
        let program = std::env::current_exe().map_err(failed)?;
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into());
        // Returns only on failure. Cannot loop: the variable is set in the new process.
        let error = Command::new(&program).arg0(name).args(arguments).env("OMP_NUM_THREADS", "1").exec();
        return Err(failed(error).into());
    }
    ONE_THREAD.call_once(|| {
        // SAFETY: there are no other threads that could call BLAS.
        unsafe { openblas_set_num_threads(1) };
        end_idle_threads();
    });
    Ok(())
}

/// [`use_one_blas_thread`] for tests and benches: no effect on OpenMP builds, and does not end idle threads.
pub fn set_one_thread() {
    // SAFETY: may be called at any time before other threads call BLAS.
    ONE_THREAD.call_once(|| unsafe { openblas_set_num_threads(1) });
}

/// Set only once: setting the number again would restart the threads of a pthreads build.
static ONE_THREAD: Once = Once::new();

/// Ends the idle threads of a pthreads build. OpenBLAS does the same before every `fork`, and restarts them only for calls that use more
/// than one. If the function is not found (static linking, renamed symbols) they stay, and sleep after 0.1 s.
fn end_idle_threads() {
    if threading() != Threading::Pthreads {
        return;
    }
    // SAFETY: looks up a name.
    let function = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"blas_thread_shutdown_".as_ptr()) };
    if !function.is_null() {
        // SAFETY: its type in all versions of OpenBLAS; it joins the threads, and no other thread calls BLAS.
        unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn() -> c_int>(function)() };
    }
}

/// Whether the process must re-execute itself for BLAS to use one thread.
fn must_restart(threading: Threading, omp_num_threads: Option<&str>) -> bool {
    threading == Threading::OpenMp && omp_num_threads.map(str::trim) != Some("1")
}

/// Whether BLAS is thread-safe. If not (a serial build without locks), the program uses one thread.
pub fn is_safe_for_threads() -> bool {
    is_safe(threading(), blas_name())
}

fn is_safe(threading: Threading, config: &str) -> bool {
    threading != Threading::Serial || config.split_whitespace().any(|word| word == "USE_LOCKING")
}

/// Name, version and build options, e.g. `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Haswell MAX_THREADS=128`.
pub fn blas_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        // SAFETY: a static buffer that the next call may overwrite: copied here, once.
        let config = unsafe { text(openblas_get_config()) };
        if config.starts_with("OpenBLAS") { config } else { format!("OpenBLAS {config}").trim().to_owned() }
    })
}

/// The CPU family whose kernels OpenBLAS selected, e.g. `SkylakeX`. Audits agree bitwise only if this is the same.
pub fn blas_core() -> &'static str {
    static CORE: OnceLock<String> = OnceLock::new();
    // SAFETY: a static string, copied once.
    CORE.get_or_init(|| unsafe { text(openblas_get_corename()) })
}

/// # Safety
/// `pointer` is null or points at a C string.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, so a C string.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_openmp_build_without_the_variable_restarts() {
        assert!(must_restart(Threading::OpenMp, None));
        assert!(must_restart(Threading::OpenMp, Some("4")));
        assert!(!must_restart(Threading::OpenMp, Some("1")));
        assert!(!must_restart(Threading::Pthreads, None));
        assert!(!must_restart(Threading::Serial, Some("4")));
    }

    #[test]
    fn only_a_serial_build_without_locks_is_unsafe() {
        assert!(!is_safe(Threading::Serial, "OpenBLAS 0.3.21 SINGLE_THREADED"));
        assert!(is_safe(Threading::Serial, "OpenBLAS 0.3.21 USE_LOCKING Haswell SINGLE_THREADED"));
        assert!(is_safe(Threading::Pthreads, "OpenBLAS 0.3.21 MAX_THREADS=128"));
    }

    #[test]
    fn the_library_names_itself() {
        assert!(blas_name().starts_with("OpenBLAS"), "{}", blas_name());
        assert!(!blas_core().is_empty());
    }
}
