//! A file that appears whole or not at all: filled under another name, flushed to disk, renamed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Calls `fill` with the path of a new file beside `path`, then puts that file in place of `path`. The directory is made if need be.
pub fn replace_file(path: &Path, fill: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let directory = directory_of(path);
    fs::create_dir_all(directory).with_context(|| format!("making the directory {}", directory.display()))?;
    let aside = Aside::beside(path)?;
    fill(&aside.path).with_context(|| format!("writing {}", aside.path.display()))?;
    aside.put_in_place(path).with_context(|| format!("moving the finished file to {}", path.display()))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary file in the directory of its target; removed when dropped before it is put in place.
struct Aside {
    path: PathBuf,
}

impl Aside {
    fn beside(target: &Path) -> anyhow::Result<Self> {
        let Some(name) = target.file_name() else { bail!("{} has no file name", target.display()) };
        let aside = format!(".{}.tmp-{}", name.to_string_lossy(), std::process::id());
        Ok(Self { path: target.with_file_name(aside) })
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
