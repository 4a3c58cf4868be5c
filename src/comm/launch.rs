//! How this process was started, by the environment variables of MPI launchers and Slurm.

use crate::error::BadInput;

/// Variables with the number of processes of this launch, the most specific first.
const COUNTS: [&str; 5] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"];

/// Variables with the rank of this process that may be set without any of [`COUNTS`].
const RANKS: [&str; 4] = ["PMIX_RANK", "PMI_RANK", "PMI_ID", "PALS_RANKID"];
/// Variables with the rank that come with one of [`COUNTS`].
const MORE_RANKS: [&str; 3] = ["OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID"];

/// The rank of this process according to the environment, read through `variable`; 0 without a launcher.
pub fn rank(variable: impl Fn(&str) -> Option<String>) -> usize {
    RANKS.iter().chain(&MORE_RANKS).find_map(|name| variable(name)?.trim().parse().ok()).unwrap_or(0)
}

/// How this process was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The first variable of [`COUNTS`] that is set, and its value.
    count: Option<(&'static str, usize)>,
    /// Whether a variable of [`RANKS`] is set.
    has_rank: bool,
}

impl Launch {
    /// Reads the environment through `variable`.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let count = COUNTS.iter().find_map(|&name| Some((name, variable(name)?.trim().parse().ok()?)));
        Self { count, has_rank: RANKS.iter().any(|name| variable(name).is_some()) }
    }

    /// Whether MPI may find other processes of this launch.
    pub fn is_parallel(&self) -> bool {
        self.count.map_or(self.has_rank, |(_, count)| count > 1)
    }

    /// Refuses to run if several processes were started but MPI finds `size` = 1: each would run the whole job and write the same file.
    pub fn check(&self, size: usize, has_mpi: bool) -> Result<(), BadInput> {
        let Some((name, count)) = self.count.filter(|&(_, count)| count > 1 && size == 1) else { return Ok(()) };
        let what = format!("{name} is {count} but this process is alone");
        match has_mpi {
            true => Err(BadInput::new(
                what,
                "the launcher does not match the MPI library that this program was built with",
                format!("use that library's mpirun or srun --mpi=pmix, or set {name}=1 to run one process"),
            )),
            false => Err(BadInput::new(
                what,
                "this program was built without MPI, so every process would run the whole experiment",
                format!("build it with the feature mpi, or set {name}=1 to run one process"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(environment: &[(&str, &str)]) -> Launch {
        Launch::detect(|name| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    #[test]
    fn a_plain_start_is_serial() {
        let plain = launch(&[]);
        assert!(!plain.is_parallel());
        assert_eq!(plain.check(1, true), Ok(()));
    }

    #[test]
    fn launchers_are_recognised() {
        assert!(launch(&[("OMPI_COMM_WORLD_SIZE", "4"), ("PMIX_RANK", "0")]).is_parallel());
        assert!(launch(&[("PMI_SIZE", "2"), ("PMI_RANK", "1")]).is_parallel());
        assert!(launch(&[("PMIX_RANK", "0")]).is_parallel(), "a launcher that sets no count");
    }

    #[test]
    fn ranks_are_known_before_mpi_is() {
        let rank = |environment: &[(&str, &str)]| {
            rank(|name| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(
            [rank(&[]), rank(&[("OMPI_COMM_WORLD_RANK", "3")]), rank(&[("PMI_RANK", "2"), ("SLURM_PROCID", "0")])],
            [0, 3, 2]
        );
    }

    #[test]
    fn one_process_of_a_launcher_is_serial() {
        assert!(!launch(&[("OMPI_COMM_WORLD_SIZE", "1"), ("PMIX_RANK", "0")]).is_parallel());
        let one_inside_an_allocation = launch(&[("OMPI_COMM_WORLD_SIZE", "1"), ("SLURM_NTASKS", "8")]);
        assert!(!one_inside_an_allocation.is_parallel());
        assert_eq!(one_inside_an_allocation.check(1, true), Ok(()));
    }

    #[test]
    fn several_tasks_that_do_not_see_each_other_are_refused() {
        let tasks = launch(&[("SLURM_NTASKS", "4"), ("SLURM_PROCID", "2")]);
        assert!(tasks.is_parallel());
        assert_eq!(tasks.check(4, true), Ok(()));
        assert!(tasks.check(1, true).unwrap_err().to_string().starts_with("SLURM_NTASKS is 4 but this process is alone: "));
        assert!(tasks.check(1, false).unwrap_err().why.contains("without MPI"));
    }
}
