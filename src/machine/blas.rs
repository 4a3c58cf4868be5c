//! The BLAS library that the program runs with: its name, and one thread for each call.
//!
//! The program computes on many threads of its own, each of which calls BLAS; threads inside BLAS would only get in their way, and
//! could change the order of summation. OpenBLAS comes in three builds, and which one is loaded is known only at run time:
//! - pthreads: obeys `openblas_set_num_threads` for all callers, but has started a thread for each core while it was loaded; these wait
//!   for work in a busy loop for 2²⁸ ticks of the clock, a tenth of a second, on the cores that the program needs;
//! - OpenMP: that call reaches the calling thread alone, and `OMP_NUM_THREADS` is read once, while the program is loaded;
//! - serial: has one thread anyhow, but without locks it is not safe to be called from several.

use std::ffi::{CStr, c_char, c_int};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Once, OnceLock};

use anyhow::Context;

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

/// Makes every BLAS call run on the thread that makes it. To be called first thing in `main`, before MPI is initialised and before
/// there are threads: an OpenMP build makes the program start itself again, with `OMP_NUM_THREADS=1` and the same arguments.
pub fn use_one_blas_thread() -> anyhow::Result<()> {
    if must_restart(threading(), std::env::var("OMP_NUM_THREADS").ok().as_deref()) {
        let program =
            std::env::current_exe().context("cannot find this program's own file to start it again with OMP_NUM_THREADS=1")?;
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into());
        // Returns only when it fails. There can be no loop: the new start finds the variable set.
        let error = Command::new(&program).arg0(name).args(arguments).env("OMP_NUM_THREADS", "1").exec();
        return Err(error).with_context(|| {
            format!("cannot start {} again (its OpenBLAS is an OpenMP build) set OMP_NUM_THREADS=1 yourself", program.display())
        });
    }
    ONE_THREAD.call_once(|| {
        // SAFETY: there are no other threads that could call BLAS.
        unsafe { openblas_set_num_threads(1) };
        end_idle_threads();
    });
    Ok(())
}

/// Makes every BLAS call run on the thread that makes it, in a build that is not OpenMP's. That is enough for tests and benches; after
/// [`use_one_blas_thread`] there is nothing left to do.
pub fn set_one_thread() {
    // SAFETY: may be called at any time before other threads call BLAS.
    ONE_THREAD.call_once(|| unsafe { openblas_set_num_threads(1) });
}

/// Passed once the number of threads is set: to set it again would start the threads of a pthreads build again.
static ONE_THREAD: Once = Once::new();

/// Ends the threads that a pthreads build has started. OpenBLAS does the same before every `fork` and starts them again when a call asks
/// for more than one, which none does once the number is 1. Where the function is not found (linked statically, or renamed) they stay,
/// and go to sleep in time.
fn end_idle_threads() {
    if threading() != Threading::Pthreads {
        return;
    }
    // SAFETY: looks up a name.
    let function = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"blas_thread_shutdown_".as_ptr()) };
    if !function.is_null() {
        // SAFETY: this is its type in all versions of OpenBLAS; it only waits for the threads to end, and no other thread calls BLAS.
        unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn() -> c_int>(function)() };
    }
}

/// Whether the program has to be started again for BLAS to use one thread.
fn must_restart(threading: Threading, omp_num_threads: Option<&str>) -> bool {
    threading == Threading::OpenMp && omp_num_threads.map(str::trim) != Some("1")
}

/// Whether several threads may call BLAS at once: not so in a serial build without locks. The program is then limited to one thread.
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
        // SAFETY: a string of the library, which it may write anew with each call: hence copied once, here.
        let config = unsafe { text(openblas_get_config()) };
        if config.starts_with("OpenBLAS") { config } else { format!("OpenBLAS {config}").trim().to_owned() }
    })
}

/// The processor family whose kernels OpenBLAS chose, e.g. `SkylakeX`. Products in f64 agree byte for byte only where this is the same.
pub fn blas_core() -> &'static str {
    static CORE: OnceLock<String> = OnceLock::new();
    // SAFETY: a string of the library, copied once.
    CORE.get_or_init(|| unsafe { text(openblas_get_corename()) })
}

/// # Safety
/// `pointer` is null or points at a C string.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, and a C string by the caller's word.
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
