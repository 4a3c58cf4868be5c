use std::process::ExitCode;

use advstep_hpc::comm::failure::conclude;
use advstep_hpc::{run, standin};

fn main() -> ExitCode {
    conclude(run::run(standin::request))
}
