//! A file that appears whole or not at all: filled under another name, flushed to disk, renamed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Links in a row that Linux follows.
const MOST_LINKS: usize = 40;

/// Calls `fill` with the path of a new file beside `path`, then puts that file in place of `path`. The directory is made if need be. A
/// symbolic link stays one: the file that it leads to is replaced.
pub fn replace_file(path: &Path, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let path = &behind_links(path);
    let directory = directory_of(path);
    fs::create_dir_all(directory).with_context(|| format!("making the directory {}", directory.display()))?;
    let aside = Aside::beside(path)?;
    fill(&aside.path).with_context(|| format!("writing {}", aside.path.display()))?;
    aside.put_in_place(path).with_context(|| format!("moving the finished file to {}", path.display()))
}

/// Renames those of `paths` that exist to their names with `.old-N` appended, N ≥ 1 being the first number free for all of them.
pub fn move_aside(paths: &[&Path]) -> anyhow::Result<()> {
    let old = |path: &Path, number: u32| {
        let mut name = path.as_os_str().to_os_string();
        name.push(format!(".old-{number}"));
        PathBuf::from(name)
    };
    let is_free = |number: &u32| paths.iter().all(|path| old(path, *number).symlink_metadata().is_err());
    let number = (1..).find(is_free).context("there is no number left")?;
    for path in paths.iter().filter(|path| path.symlink_metadata().is_ok()) {
        let to = old(path, number);
        fs::rename(path, &to).with_context(|| format!("moving {} to {}", path.display(), to.display()))?;
    }
    Ok(())
}

/// Removes what processes that were killed while they wrote `path` have left. No process may be writing it.
pub fn remove_leftovers(path: &Path) {
    let path = &behind_links(path);
    let Some(prefix) = prefix(path) else { return };
    let Ok(entries) = fs::read_dir(directory_of(path)) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().strip_prefix(&prefix).is_some_and(|id| id.parse::<u32>().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What the names of files begin with that are to replace `target`; the number of the process follows.
fn prefix(target: &Path) -> Option<String> {
    Some(format!(".{}.tmp-", target.file_name()?.to_string_lossy()))
}

/// What `path` leads to, whether that exists or not; `path` itself if it is no symbolic link.
pub fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = directory_of(&path).join(target);
    }
    path
}

/// The directory that holds `path`.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file in the directory of its target; removed when dropped before it is put in place.
struct Aside {
    path: PathBuf,
}

impl Aside {
    fn beside(target: &Path) -> anyhow::Result<Self> {
        let Some(prefix) = prefix(target) else { bail!("{} has no file name", target.display()) };
        Ok(Self { path: target.with_file_name(format!("{prefix}{}", std::process::id())) })
    }

    fn put_in_place(self, target: &Path) -> std::io::Result<()> {
        fs::File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, target)?;
        fs::File::open(directory_of(target))?.sync_all()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // After a rename there is nothing to remove; after a failure a file that cannot be removed is the lesser trouble.
        let _ = fs::remove_file(&self.path);
    }
}
