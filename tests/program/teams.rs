//! Networks computed by teams of threads and ranks: the same results for every team, failures that end the job, stops that are resumed with others.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::jobs::{finish, job, outcome, stderr, stdout_of};
use advstep_hpc::results::first_difference;
use tempfile::TempDir;

/// Cells of the dense and of the shallow engine.
const AUTO: [&str; 10] = ["--depths", "1", "--dims", "5,40", "--widths", "20,25000", "--networks", "3", "--inputs", "4"];
/// Cells of the implicit engine.
const IMPLICIT: [&str; 12] =
    ["--depths", "1,2", "--dims", "5", "--widths", "25000", "--networks", "6", "--inputs", "3", "--engine", "implicit"];

/// A directory for the results of one experiment.
struct Place {
    experiment: Vec<&'static str>,
    directory: TempDir,
}

impl Place {
    fn of(experiment: &[&'static str]) -> Self {
        Self { experiment: experiment.to_vec(), directory: TempDir::new().unwrap() }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, ranks: Option<usize>, out: &Path, options: &[&str]) -> Command {
        job(ranks, &[&self.experiment[..], &["--out", out.to_str().unwrap()], options].concat())
    }

    /// The results of single threads.
    fn reference(&self) -> PathBuf {
        let out = self.out("reference.h5");
        if !out.exists() {
            let output = finish(&mut self.command(None, &out, &["--team", "none", "--threads", "2", "--quiet"]));
            assert!(output.status.success(), "{}", stderr(&output));
        }
        out
    }

    fn assert_same(&self, out: &Path, how: &str) {
        assert_eq!(first_difference(out, &self.reference()).unwrap(), None, "{how}");
    }

    /// Runs it, and compares the results with those of single threads; returns the messages.
    fn check(&self, ranks: Option<usize>, options: &[&str]) -> String {
        let how = format!("{ranks:?} ranks, {options:?}");
        let out = self.out("team.h5");
        let output = finish(&mut self.command(ranks, &out, &[options, &["--overwrite"]].concat()));
        assert!(output.status.success(), "{how}: {}", stderr(&output));
        self.assert_same(&out, &how);
        stderr(&output)
    }
}

#[test]
fn the_threads_of_a_rank_give_the_same_bytes() {
    for experiment in [&AUTO[..], &IMPLICIT] {
        let place = Place::of(experiment);
        for threads in ["1", "2", "3", "7"] {
            let messages = place.check(None, &["--team", "1", "--threads", threads]);
            assert!(messages.contains(", in teams of up to 1 rank; "), "{messages}");
        }
    }
}

#[test]
fn more_ranks_than_there_are_make_no_team() {
    let (code, messages) = outcome(None, &["--preset", "quick", "--team", "2"], None);
    assert!(code == 2 && messages.contains("error: there are no teams of 2 ranks: there is one rank\nhelp: "), "{messages}");
}

/// The wide cell does not fit a rank of this memory; a plan for several ranks divides it, one for a single rank says how many it takes.
#[test]
fn a_network_that_does_not_fit_a_rank_is_divided_or_refused_with_the_number_of_ranks() {
    let wide = ["plan", "--depths", "2", "--dims", "100", "--widths", "1e6", "--networks", "2", "--inputs", "20", "--threads", "1"];
    let memory = ["--memory", "400MiB"];
    let (code, messages) = outcome(None, &[&wide[..], &memory].concat(), None);
    assert_eq!(code, 2, "{messages}");
    let ranks =
        messages.split_once("a smaller width; ").and_then(|(_, rest)| rest.split_once(" ranks with this memory hold it together"));
    let ranks: usize = ranks.expect(&messages).0.parse().unwrap();
    assert!(ranks > 1, "{messages}");
    let plan = |count: usize| outcome(None, &[&wide[..], &memory, &["--ranks", &count.to_string()]].concat(), None);
    assert_eq!(plan(ranks / 2).0, 2, "fewer ranks than {ranks} hold it");
    let text = stdout_of(&[&wide[..], &memory, &["--all", "--ranks", &ranks.to_string()]].concat());
    assert!(text.contains(&format!(" {ranks}×1 ")), "{text}");
    let divided = stdout_of(&[&wide[..], &["--all", "--memory", "8GiB", "--team", "4", "--ranks", "4"]].concat());
    assert!(divided.contains(" 4×1 "), "{divided}");
}

#[cfg(feature = "mpi")]
mod on_ranks {
    use super::*;
    use crate::jobs::PROGRAM;

    #[test]
    fn all_splits_give_the_same_bytes() {
        for experiment in [&AUTO[..], &IMPLICIT] {
            let place = Place::of(experiment);
            for (ranks, team, threads) in
                [(2, "2", "1"), (3, "3", "2"), (4, "2", "1"), (4, "4", "2"), (3, "2", "1"), (2, "1", "2"), (7, "7", "1")]
            {
                let messages = place.check(Some(ranks), &["--team", team, "--threads", threads]);
                assert!(messages.contains(&format!(", in teams of up to {team} rank")), "{messages}");
            }
        }
    }

    #[test]
    fn ranks_of_a_team_may_have_different_numbers_of_threads() {
        let place = Place::of(&IMPLICIT);
        let out = place.out("mixed.h5");
        let common = [&place.experiment[..], &["--quiet", "--team", "2", "--out", out.to_str().unwrap()]].concat();
        let first = [&common[..], &["--threads", "1", ":", "-n", "1", PROGRAM]].concat();
        let output = finish(&mut job(Some(1), &[&first[..], &common, &["--threads", "3"]].concat()));
        assert!(output.status.success(), "{}", stderr(&output));
        place.assert_same(&out, "1 and 3 threads");
    }

    #[test]
    fn ranks_that_are_given_different_teams_are_refused() {
        let place = Place::of(&IMPLICIT);
        let out = place.out("other.h5");
        let common = [&place.experiment[..], &["--threads", "1", "--out", out.to_str().unwrap()]].concat();
        let first = [&common[..], &["--team", "2", ":", "-n", "1", PROGRAM]].concat();
        let output = finish(&mut job(Some(1), &[&first[..], &common, &["--team", "none"]].concat()));
        let messages = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{messages}");
        assert!(messages.contains("rank 1 and rank 0 do not form the same teams: their --team differs"), "{messages}");
        assert!(!out.exists());
    }

    /// The others wait for the member that has failed, and end with the job.
    #[test]
    fn a_failure_of_a_member_ends_the_job_with_its_message() {
        let place = Place::of(&IMPLICIT);
        for (kind, rank) in [("panic", 1), ("error", 2), ("panic", 0)] {
            let out = place.out(&format!("{kind}-{rank}.h5"));
            let mut command = place.command(Some(3), &out, &["--team", "3", "--threads", "2"]);
            let output = finish(command.env("ADVSTEP_FAULT", format!("{kind}:rank={rank}:unit=3")));
            let messages = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{messages}");
            assert!(
                messages.contains(&format!("error: rank {rank} of 3: ")) && messages.contains("ADVSTEP_FAULT requests"),
                "{messages}"
            );
            assert!(!out.exists(), "{messages}");
        }
    }

    #[test]
    fn a_team_that_was_stopped_or_killed_is_resumed_by_others() {
        let place = Place::of(&IMPLICIT);
        let teams: [(Option<usize>, &[&str]); 4] = [
            (Some(4), &["--team", "4", "--threads", "1"]),
            (Some(3), &["--team", "2", "--threads", "2"]),
            (Some(2), &["--team", "none", "--threads", "1"]),
            (None, &["--team", "1", "--threads", "3"]),
        ];
        for kind in ["stop", "kill"] {
            let out = place.out(&format!("{kind}.h5"));
            for (number, (ranks, options)) in teams.into_iter().enumerate() {
                let rank = if ranks.is_some() { 1 } else { 0 };
                let mut command = place.command(ranks, &out, options);
                let output = finish(command.env("ADVSTEP_FAULT", format!("{kind}:rank={rank}:unit=1")));
                let messages = stderr(&output);
                if kind == "stop" && output.status.success() {
                    // Nothing was left once the running networks had finished.
                    assert!(number > 1, "{messages}");
                    break;
                }
                let is_right = match kind {
                    "stop" => output.status.code() == Some(75) && messages.contains("re-run to resume"),
                    _ => !output.status.success(),
                };
                assert!(is_right, "{kind} {number}: {messages}");
            }
            let output = finish(&mut place.command(Some(2), &out, &["--team", "2", "--threads", "1"]));
            assert!(output.status.success(), "{}", stderr(&output));
            // A rank that is killed may take all results with it.
            let resumes = [" recovered from ", "is already complete"].iter().any(|words| stderr(&output).contains(words));
            assert!(kind == "kill" || resumes, "{}", stderr(&output));
            place.assert_same(&out, kind);
        }
    }

    #[test]
    fn an_extension_by_a_team_has_the_same_bytes() {
        let place = Place::of(&IMPLICIT);
        let smaller = place.out("smaller.h5");
        let fewer = [&["--networks", "1"][..], &["--team", "2", "--threads", "1", "--quiet"]].concat();
        let words: Vec<&str> = place.experiment.iter().copied().filter(|word| !["--networks", "6"].contains(word)).collect();
        let output = finish(&mut job(Some(2), &[&words[..], &["--out", smaller.to_str().unwrap()], &fewer].concat()));
        assert!(output.status.success(), "{}", stderr(&output));
        let messages = place.check(Some(3), &["--team", "3", "--threads", "1", "--extend", smaller.to_str().unwrap()]);
        assert!(messages.contains("2 of 12 networks taken from "), "{messages}");
    }
}
