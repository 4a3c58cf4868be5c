//! Bad input is refused before any work: exit code 2, a message that says what is wrong (why) and what to do, nothing written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// One thing to type, and a part of the message it must give.
struct Case {
    arguments: &'static str,
    message: &'static str,
    by: Judge,
}

/// Who refuses: clap names the flag in its usage error, everything else speaks the grammar of `error::BadInput`.
enum Judge {
    Usage,
    Program,
}

const fn usage(arguments: &'static str, message: &'static str) -> Case {
    Case { arguments, message, by: Judge::Usage }
}

const fn program(arguments: &'static str, message: &'static str) -> Case {
    Case { arguments, message, by: Judge::Program }
}

/// Refused by the command line and the validation of the experiment.
const REFUSED_BEFORE_PLANNING: &[Case] = &[
    // Counts.
    program("--widths 0", "the width 0 is too small (a layer needs at least one neuron) give a whole number"),
    program("--widths 10,1e30", "the width 1e30 is too large"),
    program("--widths 1.5", "the width 1.5 is not a whole number"),
    program("--widths nan", "the width NaN is not finite"),
    program("--widths=-inf", "the width -inf is not finite"),
    program("export --depth 1 --dim 5 --width inf --out net.h5", "the width inf cannot be exported"),
    program("--hidden 30,0", "the width 0 is too small"),
    program("--hidden 30,inf", "the width inf is not finite"),
    program("--hidden 30,20 --depths 2", "hidden and depths cannot go together"),
    program("--hidden 30,20 --widths 30", "hidden and widths cannot go together"),
    program("--hidden 30,20 --hidden 10,30", "hidden layers 10,30 and 30,20 cannot be in one experiment"),
    program("--hidden 1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8", "17 hidden layers of given widths are too many"),
    program("--config both.toml", "hidden and widths cannot go together"),
    program("--config flat.toml", "flat.toml line 2 holds a wrong value for hidden ("),
    program("--hidden -3,5", "the width -3 is too small"),
    program("--widths -1,10", "the width -1 is too small"),
    program("--depths -1", "the depth -1 is too small"),
    program("--depths 1001", "the depth 1001 is too large"),
    program("--dims 0", "the dim 0 is too small"),
    program("--dims inf", "the dim inf is not finite"),
    program("--networks 0", "the number of networks 0 is too small"),
    program("--networks 1e10", "the number of networks 1e10 is too large"),
    program("--inputs -3", "the number of inputs -3 is too small"),
    program("--inputs 2.5", "the number of inputs 2.5 is not a whole number"),
    program("--networks 1e9 --inputs 1e9", "samples"),
    program("plan --widths 0", "the width 0 is too small"),
    // Other values.
    program("--gain 0", "the gain 0 is not positive (it is a variance)"),
    program("--gain -1", "the gain -1 is not positive"),
    program("--gain nan", "the gain NaN is not finite"),
    program("--gain 1e300", "is too large at gain 1e300 in f32"),
    program("--depths 200", "the depth 200 is too large at gain 1 in f32"),
    program("--bound 0", "the bound 0 is not positive"),
    program("--bound inf", "the bound inf is not finite"),
    program("--bound=-1e-3", "the bound -0.001 is not positive"),
    program("--seed -1", "the seed -1 is negative"),
    program("--threads 0", "cannot run 0 threads"),
    program("--threads 1.5", "cannot run 1.5 threads"),
    program("--memory 0GiB", "the memory 0 is too small"),
    // The form of arguments.
    usage("--widths=", "--widths"),
    usage("--widths 10,,20", "--widths"),
    usage("--widths ten", "--widths"),
    usage("--hidden 30,", "--hidden"),
    usage("--hidden ten", "--hidden"),
    usage("export --hidden 30,20 --depth 2 --dim 5 --out net.h5", "--depth"),
    usage("export --dim 2 --hidden 3,4 --hidden 5 --out net.h5", "--hidden"),
    usage("--seed 18446744073709551615", "--seed"),
    usage("--seed 1.5", "--seed"),
    usage("--memory lots", "--memory"),
    usage("--memory=-1GiB", "--memory"),
    usage("--readout sing", "--readout"),
    usage("--precision f16", "--precision"),
    // The audit.
    program("audit --dims 1", "the dim 1 cannot be audited"),
    program("audit --widths inf", "the width inf cannot be audited"),
    program("audit --widths 1.5", "the width 1.5 cannot be audited"),
    program("audit --dims 1e5 --widths 1e5", "dim 100000 with width 100000 is too large"),
    program("audit --gamma 0", "the failure probability 0 is not between 0 and 1"),
    program("audit --gamma 0.1,nan", "the failure probability NaN is not between 0 and 1"),
    program("audit --networks 1", "the number of networks 1 cannot be audited"),
    program("audit --seed -1", "the seed -1 is negative"),
    program("audit --threads 0", "cannot run 0 threads"),
    program("audit --statements lemma-88", "there is no statement `lemma-88`"),
    program("audit --activation tanh --statements lemma-9", "there is nothing to audit with activation tanh"),
    program("audit --out foreign.h5", "will not write foreign.h5 (the file exists)"),
    program("audit --markdown foreign.h5", "will not write foreign.h5 (the file exists)"),
    program("audit --figures foreign.h5", "is not a directory"),
    program("audit --out a.h5 --markdown a.h5", "--out and --markdown are both a.h5"),
    program(
        "merge taken.h5 --out taken.h5 --overwrite",
        "will not write taken.h5 (it is the same file as taken.h5, which is read)",
    ),
    program("--config good.toml --out good.toml --overwrite", "it is the same file as good.toml, which is read"),
    program("--out -", "cannot write - (it cannot be written to standard output)"),
    usage("audit --activation step", "--activation"),
    usage("audit --gamma small", "--gamma"),
    usage("--preset papr", "--preset"),
    usage("--widhts 10", "--widhts"),
    usage("--preset quick --config good.toml", "--preset"),
    usage("--preset quick plan", "plan"),
    usage("--networks 1 --networks 2", "--networks"),
    usage("rnu", "rnu"),
    usage("show", "<FILE>"),
    usage("show taken.h5 --format xml", "--format"),
    usage("plot taken.h5 --format gif", "--format"),
    usage("export --depth 1 --dim 2 --out net.h5", "--width"),
    // Config files.
    program("--config missing.toml", "cannot read missing.toml (No such file"),
    program("--config .", "cannot read . ("),
    program("--config unknown.toml", "unknown.toml line 3 holds `widhts` (an experiment has no such key) write `widths`"),
    program("--config broken.toml", "broken.toml line 2 is not TOML ("),
    program("--config type.toml", "type.toml line 3 holds a wrong value for widths ("),
    program("--config empty-list.toml", "the list of widths is empty (there would be nothing to run) give at least one width"),
    program("--config empty.toml", "no depths are given"),
    program("--config nan.toml", "the gain NaN is not finite"),
    program("--config extra.toml", "extra_widths holds the depth `2`"),
    program(
        "--config two-ways.toml",
        "extra_widths holds the depth `01` (depths are written without sign and leading zeros) write it as 1",
    ),
    program("--config binary.toml", "cannot read binary.toml (it is not UTF-8 text)"),
    program("--config /dev/zero", "cannot read /dev/zero (it is longer than 16.0 MiB)"),
    program("--threads 1e300", "cannot run 1e300 threads"),
    program("--max-hours 1e-300", "cannot stop after 1e-300 hours"),
    program("audit --dims 1e300", "the dim 1e300 cannot be audited"),
    program("export --depth 1 --dim 5 --width 10 --network 1e300 --out net.h5", "there is no network 1e300"),
    program(
        "export --depth 1 --dim 1e9 --width 1e9 --out net.h5",
        "the network (L=1, d=1000000000, k=1000000000) is too large to be exported here (its file takes 3.5 EiB,",
    ),
    // Files to write.
    program("--out taken.h5", "will not write taken.h5 (the file exists) give --overwrite"),
    program("--config taken.toml", "will not write results/taken.h5 (the file exists) give --overwrite"),
    program("--out directory --overwrite", "cannot write directory (it is a directory)"),
    program("--out taken.h5/below.h5", "cannot write taken.h5/below.h5 ("),
    program("--out taken.h5/far/below.h5", "cannot write taken.h5/far/below.h5 ("),
    program("--out /proc/new.h5", "cannot write /proc/new.h5 ("),
    usage("--out=", "--out"),
    program("--out new/", "cannot write `new/` (it does not name a file)"),
    program("export --depth 1 --dim 2 --width 3 --out taken.h5", "will not write taken.h5 (the file exists)"),
    program("man --out taken.h5", "cannot write taken.h5 (taken.h5 is not a directory)"),
    // The other commands.
    program("export --depth 0 --dim 2 --width 3 --out net.h5", "the depth 0 is too small"),
    program("export --depth 1 --dim 2 --width 3 --network -1 --out net.h5", "there is no network -1"),
    program("export --depth 1 --dim 2 --width 3 --network 0.5 --out net.h5", "there is no network 0.5"),
    program("show missing.h5", "cannot read `missing.h5` (No such file"),
    program("show directory", "cannot read `directory` (it is not a regular file)"),
    program("plot missing.h5", "cannot read `missing.h5` (No such file"),
    program("plot taken.h5 --out taken.h5", "cannot write taken.h5 (taken.h5 is not a directory)"),
];

/// Refused by what comes after: the plan, and the reader of results files.
const REFUSED_BY_PLAN_AND_READER: &[Case] = &[
    program("--widths 1e6 --depths 3 --memory 1GiB", "memory"),
    program("plan --widths 1e6 --depths 3 --memory 1GiB", "memory"),
    program("--hidden 1e6,1e6,10 --memory 1GiB", "k=1000000,1000000,10) does not fit"),
    program("--widths 10 --depths 1 --memory 1B", "besides) give --memory"),
    program("show taken.h5", "taken.h5"),
    program("show foreign.h5", "foreign.h5"),
    program("show good.toml", "good.toml"),
    program("show empty.toml", "empty.toml"),
    program("plot taken.h5", "taken.h5"),
    program("plot foreign.h5 --out pictures", "foreign.h5"),
];

/// The files that cases name.
fn populate(directory: &Path) {
    let grid = "depths = [1]\ndims = [2]\n";
    for (name, text) in [
        ("good.toml", format!("{grid}widths = [3]\n")),
        ("taken.toml", format!("{grid}widths = [3]\n")),
        ("unknown.toml", format!("{grid}widhts = [3]\n")),
        ("broken.toml", "depths = [1]\ndims = [2\n".to_string()),
        ("type.toml", format!("{grid}widths = 3\n")),
        ("empty-list.toml", format!("{grid}widths = []\n")),
        ("empty.toml", String::new()),
        ("nan.toml", format!("{grid}widths = [3]\ngain = nan\n")),
        ("extra.toml", format!("{grid}widths = [3]\n[extra_widths]\n2 = [4]\n")),
        ("two-ways.toml", format!("{grid}widths = [3]\n[extra_widths]\n1 = [4]\n01 = [5]\n")),
        ("both.toml", "dims = [2]\nwidths = [3]\nhidden = [[3, 2]]\n".to_string()),
        ("flat.toml", "dims = [2]\nhidden = [3, 2]\n".to_string()),
        ("taken.h5", "not HDF5".to_string()),
        ("results/taken.h5", "not HDF5 either".to_string()),
    ] {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(directory.join("binary.toml"), [0xff, 0xfe, 0x00]).unwrap();
    fs::create_dir(directory.join("directory")).unwrap();
    let foreign = advstep_hpc::files::hdf5::create(&directory.join("foreign.h5")).unwrap();
    foreign.new_dataset_builder().with_data(&[1.0, 2.0]).create("somebody_elses").unwrap();
}

/// Every path below `directory`, with the bytes of the files.
fn contents(directory: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_dir() {
            found.extend(contents(&path));
            None
        } else {
            Some(fs::read(&path).unwrap())
        };
        found.insert(path.display().to_string(), bytes);
    }
    found
}

fn advstep(directory: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(arguments.split(' ')).current_dir(directory).output().unwrap()
}

/// What is wrong with how `case` was refused, if anything.
fn flaw(case: &Case, output: &Output) -> Option<String> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(2) {
        return Some(format!("exit {:?}: {stderr}", output.status.code()));
    }
    if !output.stdout.is_empty() {
        return Some(format!("stdout: {}", String::from_utf8_lossy(&output.stdout)));
    }
    let well_formed = match case.by {
        Judge::Usage => stderr.starts_with("error: "),
        Judge::Program => is_what_why_remedy(&stderr),
    };
    (!well_formed || !stderr.contains(case.message)).then(|| format!("stderr: {stderr}"))
}

/// Whether `stderr` is one line `advstep-hpc: error: what (why) remedy`, none of the three empty.
fn is_what_why_remedy(stderr: &str) -> bool {
    let Some(line) = stderr.strip_prefix("advstep-hpc: error: ").and_then(|rest| rest.strip_suffix('\n')) else { return false };
    let Some((what, rest)) = line.split_once(" (") else { return false };
    let Some((why, remedy)) = rest.rsplit_once(") ") else { return false };
    [what, why, remedy].iter().all(|part| !part.trim().is_empty()) && !line.contains('\n')
}

fn assert_all_refused(cases: &[Case]) {
    let directory = tempfile::tempdir().unwrap();
    populate(directory.path());
    let before = contents(directory.path());
    let mut flaws = Vec::new();
    for case in cases {
        let output = advstep(directory.path(), case.arguments);
        flaws.extend(flaw(case, &output).map(|flaw| format!("`{}`: {flaw}", case.arguments)));
        assert!(contents(directory.path()) == before, "`{}` wrote something", case.arguments);
    }
    assert!(flaws.is_empty(), "{} of {} cases:\n{}", flaws.len(), cases.len(), flaws.join("\n"));
}

#[test]
fn refused_before_planning() {
    assert_all_refused(REFUSED_BEFORE_PLANNING);
}

#[test]
fn refused_by_plan_and_reader() {
    assert_all_refused(REFUSED_BY_PLAN_AND_READER);
}
