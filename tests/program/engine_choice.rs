//! `--engine`: the engine of each cell, its name in plan and file, and cells that do not fit.

use std::process::{Command, Output};

use advstep_hpc::experiment::options::Options;
use advstep_hpc::experiment::presets::Preset;
use advstep_hpc::job::Resources;
use advstep_hpc::model::EngineChoice;
use advstep_hpc::model::{EngineName, SearchName};
use advstep_hpc::plan::plan;
use advstep_hpc::results::{first_difference, read};

fn advstep(words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(words.split_whitespace()).output().unwrap()
}

#[test]
fn the_choice_is_a_function_of_the_experiment_alone() {
    for preset in Preset::ALL {
        let experiment = preset.options().validate().unwrap();
        let chosen = |threads, memory| {
            let plan = plan(&experiment, Resources { threads, memory }).unwrap();
            plan.cells.iter().map(|cell| (cell.run.cell, cell.run.method.engine, cell.run.method.search)).collect::<Vec<_>>()
        };
        let rich = chosen(1, 1 << 42);
        assert_eq!(rich, chosen(7, 1 << 37));
        for (cell, engine, search) in rich {
            if cell.is_infinite() {
                assert_eq!((engine, search), (EngineName::Limit, SearchName::Path));
                continue;
            }
            // Narrow networks are dense, wide deep ones implicit; tracing needs weights.
            assert!(cell.width >= 100 || cell.depth == 1 || engine == EngineName::Dense, "{cell}");
            assert!(cell.depth == 1 || cell.width < 30_000 || engine == EngineName::Implicit, "{cell}");
            assert!(search != SearchName::Trace || engine == EngineName::Dense, "{cell}");
        }
    }
}

#[test]
fn few_neurons_do_not_repay_bases_of_long_inputs() {
    let options = Options {
        depths: Some(vec![1.0]),
        dims: Some(vec![500.0, 1e6]),
        widths: Some(vec![30.0, 1e6]),
        inputs: Some(100.0),
        ..Options::default()
    };
    let experiment = options.overlay(Preset::Quick.options()).validate().unwrap();
    let plan = plan(&experiment, Resources { threads: 1, memory: 1 << 42 }).unwrap();
    for cell in plan.cells.iter().filter(|cell| !cell.run.cell.is_infinite()) {
        let engine = if cell.run.cell.width == 30 { EngineName::Dense } else { EngineName::Shallow };
        assert_eq!(cell.run.method.engine, engine, "{}", cell.run.cell);
    }
}

#[test]
fn an_engine_that_is_asked_for_is_taken() {
    let without_weights = [EngineName::Implicit, EngineName::Shallow];
    for (choice, engines) in [(EngineChoice::Dense, &[EngineName::Dense][..]), (EngineChoice::Implicit, &without_weights)] {
        let options = Options { engine: Some(choice), ..Preset::Quick.options() };
        let plan = plan(&options.validate().unwrap(), Resources { threads: 1, memory: 1 << 36 }).unwrap();
        assert!(plan.cells.iter().all(|cell| engines.contains(&cell.run.method.engine)));
    }
}

#[test]
fn implicit_cells_have_the_same_bytes_on_any_threads_and_are_named_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let run = |threads: usize, memory: &str| {
        let out = directory.path().join(format!("{threads}.h5"));
        let words = format!(
            "run --depths 1,3 --dims 20,300 --widths 600 --networks 3 --inputs 10 --engine implicit --threads {threads} --memory {memory} \
             --quiet --out {}",
            out.display()
        );
        let output = advstep(&words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        out
    };
    let (one, three) = (run(1, "1GiB"), run(3, "3GiB"));
    assert_eq!(first_difference(&one, &three).unwrap(), None);
    let results = read(&one).unwrap();
    assert_eq!(
        results.cells.iter().map(|cell| cell.method.to_string()).collect::<Vec<_>>(),
        ["shallow line", "shallow line", "implicit scan", "implicit scan"]
    );
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    for (words, what, remedy) in [
        (
            "plan --depths 2 --dims 10 --widths 50 --engine implicit --search exact",
            "engine implicit and search exact cannot go together",
            "give engine dense",
        ),
        (
            "plan --depths 1 --dims 1000 --widths 1e7 --inputs 60 --memory 2GiB --direction sign",
            "does not fit",
            "fewer --inputs, --engine dense, or",
        ),
        ("plan --depths 3 --dims 10 --widths 1e6 --memory 8GiB", "does not fit", "fewer --inputs, or a smaller width"),
        ("plan --depths 2 --dims 1e6 --widths 1e5 --memory 2GiB --engine dense --inputs 50", "does not fit", "--engine implicit"),
    ] {
        let output = advstep(words);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words}: {message}");
        assert!(message.contains(what) && message.contains(remedy), "{words}: {message}");
    }
}

#[test]
fn the_memory_that_is_asked_for_works_and_less_does_not() {
    for (cells, threads) in [
        ("--depths 1 --dims 10 --widths 10", 1),
        // The largest cell is neither the first nor the last that does not fit.
        ("--depths 1,3 --dims 10,500 --widths 100,1e5,inf --inputs 20", 3),
        ("--depths 2 --dims 2000 --widths 3000 --engine dense", 2),
        ("--depths 1 --dims 3000 --widths 1e6 --engine implicit", 1),
        ("--depths 3 --dims 50 --widths 1e5 --engine implicit --precision f64", 2),
        ("--depths 1,6 --dims 1,1000 --widths inf --bound 1e3", 1),
        ("--depths 1,2 --dims 30 --widths 3000 --direction gradient,descent", 4),
        ("--preset paper", 4),
    ] {
        let plan = |memory: u64| {
            let output = advstep(&format!("plan {cells} --threads {threads} --memory {memory}MiB"));
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (code, message) = plan(50);
        assert_eq!(code, Some(2), "{message}");
        let said = message.split_once("give --memory ").and_then(|(_, rest)| rest.split_once("MiB or more")).expect(&message).0;
        let least: u64 = said.parse().expect(&message);
        assert!(least > 50 && plan(least).0 == Some(0), "{cells}: {message}");
        let (code, again) = plan(least - 1);
        assert!(code == Some(2) && again.contains(&format!("give --memory {least}MiB or more")), "{cells}: {again}");
    }
}

#[test]
fn another_engine_is_offered_only_where_all_cells_fit_with_it() {
    // The implicit engine would fit the cell named, not the other one.
    let one = "plan --depths 2 --dims 1e6 --widths 1e5 --memory 2GiB --engine dense --inputs 50";
    let message = |words: &str| String::from_utf8_lossy(&advstep(words).stderr).into_owned();
    assert!(message(one).contains("--engine implicit"), "{}", message(one));
    let both = one.replace("--widths 1e5", "--widths 1e5,2e7");
    assert!(!message(&both).contains("--engine implicit"), "{}", message(&both));
}
