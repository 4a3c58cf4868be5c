//! Slurm's `srun` starts n processes whether or not the MPI library understands it. Where it does not, each is a world of one rank,
//! and all n would compute the whole experiment and write the same file.

use crate::error::BadInput;

/// Refuses a world of one rank in a Slurm allocation of several tasks. `ntasks` is the value of `SLURM_NTASKS`, which is set inside
/// any allocation, so a single process in a batch script has to say that it wants to be one.
pub fn refuse_singletons(ntasks: Option<&str>, world_size: usize) -> Result<(), BadInput> {
    match ntasks.and_then(|tasks| tasks.trim().parse::<u64>().ok()) {
        Some(tasks) if tasks > 1 && world_size == 1 => Err(BadInput::new(
            format!("this process is alone although Slurm has {tasks} tasks"),
            "either srun and the MPI library do not know each other, or the program was started without srun and mpirun; \
             each task would run the whole experiment",
            "start it with `mpirun` or `srun --mpi=pmix`; for one process on purpose use `srun --ntasks=1` or `unset SLURM_NTASKS`",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rank_among_several_tasks_is_refused() {
        let message = refuse_singletons(Some("4"), 1).unwrap_err().to_string();
        assert!(message.contains("4 tasks") && message.contains("mpirun"), "{message}");
    }

    #[test]
    fn everything_else_is_accepted() {
        for (ntasks, world_size) in [(None, 1), (Some("1"), 1), (Some("4"), 4), (Some("4"), 2), (Some(""), 1)] {
            assert_eq!(refuse_singletons(ntasks, world_size), Ok(()), "{ntasks:?} {world_size}");
        }
    }
}
