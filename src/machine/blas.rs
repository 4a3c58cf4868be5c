//! BLAS threads (stand-in until merge).
unsafe extern "C" {
    fn openblas_set_num_threads(threads: i32);
}
pub fn use_one_thread() {
    unsafe { openblas_set_num_threads(1) }
}
