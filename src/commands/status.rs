//! `status`: whether a run is finished, judged only by the files on disk: for scripts, because launchers change exit codes.

use std::path::{Path, PathBuf};

use super::print;
use super::run::RunRequest;
use crate::audit;
use crate::comm::failure::Reported;
use crate::error::{EXIT_AGAIN, EXIT_FAILED};
use crate::experiment::{Experiment, Shard};
use crate::given;
use crate::job::journal;
use crate::results::{head, shard};

/// The run whose status to print.
#[derive(Debug, Clone, PartialEq)]
pub enum StatusRequest {
    Run(Box<RunRequest>),
    File(PathBuf),
}

/// Prints the status; returns its exit code, if not 0, as [`Reported`].
pub fn execute(request: &StatusRequest) -> anyhow::Result<()> {
    let (out, status) = match request {
        StatusRequest::File(file) => (file, of_file(file)),
        StatusRequest::Run(run) => {
            let RunRequest { experiment, shard, settings, .. } = &**run;
            (&settings.out, of_run(&settings.out, experiment, *shard, settings.overwrite || settings.fresh))
        }
    };
    print(&format!("{}: {}\n", out.display(), status.text()))?;
    match status.exit_code() {
        0 => Ok(()),
        code => Err(Reported { code }.into()),
    }
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its output file is complete and sealed.
    Finished,
    /// It has a journal: the same command resumes it.
    Unfinished,
    /// Neither.
    Absent,
}

impl Status {
    pub fn exit_code(self) -> i32 {
        match self {
            Status::Finished => 0,
            Status::Unfinished => EXIT_AGAIN,
            Status::Absent => EXIT_FAILED,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Status::Finished => "finished",
            Status::Unfinished => "not finished; re-run to resume",
            Status::Absent => "no finished file and no journal of this run",
        }
    }
}

/// The status of a run that writes `out`. With `replaces`, an existing file may be that of an earlier run, so a journal takes precedence.
pub fn of_run(out: &Path, experiment: &Experiment, shard: Option<Shard>, replaces: bool) -> Status {
    status(out, replaces, || is_finished(out, experiment, shard))
}

/// The status of the run that writes `out`, of any experiment.
pub fn of_file(out: &Path) -> Status {
    status(out, false, || {
        head::read(out).is_ok_and(|head| head.is_complete)
            || shard::read(out).is_ok()
            || audit::file::read(out, false).is_ok()
            || given::file::read(out, false).is_ok()
    })
}

fn status(out: &Path, replaces: bool, is_finished: impl Fn() -> bool) -> Status {
    match journal::beside(out).is_some() {
        true if replaces => Status::Unfinished,
        _ if is_finished() => Status::Finished,
        true => Status::Unfinished,
        false => Status::Absent,
    }
}

/// Whether `out` is the finished file of `experiment`, or of its `shard`, at the current science version.
pub fn is_finished(out: &Path, experiment: &Experiment, shard: Option<Shard>) -> bool {
    match shard {
        None => head::read(out).is_ok_and(|head| head.is_complete && head.is_current && head.experiment == *experiment),
        Some(shard) => shard::read(out).is_ok_and(|file| file.shard == shard && file.experiment == *experiment),
    }
}
