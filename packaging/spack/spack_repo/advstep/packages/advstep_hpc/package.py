# Spack package of the clone that holds this file. In the clone:
#
#   spack repo add packaging/spack/spack_repo/advstep
#   spack install advstep-hpc

from pathlib import Path

from spack_repo.builtin.build_systems.cargo import CargoPackage

from spack.package import *


class AdvstepHpc(CargoPackage):
    """Smallest adversarial gradient steps on random ReLU networks: exact search, BLAS,
    MPI, HDF5."""

    homepage = "https://arxiv.org/abs/2104.03863"
    # spack_repo/advstep/packages/advstep_hpc/package.py, in packaging/spack
    git = Path(__file__).resolve().parents[6].as_uri()

    license("MIT OR Apache-2.0", checked_by="advstep-hpc")

    # A release is to be added here with its tag and commit.
    version("main", branch="main")

    variant("mpi", default=True, description="Message passing; without it the program is serial")

    depends_on("c", type="build")
    depends_on("rust@1.89:", type="build")
    depends_on("pkgconfig", type="build")

    # Any number of BLAS threads will do: the program asks for one and has threads of its own.
    depends_on("openblas")
    # Only rank 0 writes, so parallel HDF5, whose header needs that of MPI, gains nothing.
    depends_on("hdf5+hl~mpi")

    with when("+mpi"):
        # The fabric is the MPI library's: ^openmpi fabrics=ofi, ^mpich netmod=ofi.
        depends_on("mpi@3:")
        # libclang, with which rsmpi reads mpi.h
        depends_on("llvm+clang", type="build")

    def setup_build_environment(self, env: EnvironmentModifications) -> None:
        env.set("HDF5_DIR", self.spec["hdf5"].prefix)
        if self.spec.satisfies("+mpi"):
            env.set("MPICC", self.spec["mpi"].mpicc)
            env.set("LIBCLANG_PATH", self.spec["llvm"].prefix.lib)

    @property
    def _features(self):
        return [] if self.spec.satisfies("+mpi") else ["--no-default-features"]

    @property
    def build_args(self):
        return ["--locked", *self._features]

    @property
    def check_args(self):
        # The unit tests; others want mpirun, Python, and the tools of HDF5 and netCDF.
        return ["--release", "--locked", "--lib", *self._features]

    @run_after("install")
    def install_pages(self):
        program = Executable(self.prefix.bin.join("advstep-hpc"))

        mkdirp(self.prefix.share.man.man1)
        program("man", "--out", self.prefix.share.man.man1)

        for shell, directory, name in (
            ("bash", bash_completion_path(self.prefix), "advstep-hpc"),
            ("zsh", zsh_completion_path(self.prefix), "_advstep-hpc"),
            ("fish", fish_completion_path(self.prefix), "advstep-hpc.fish"),
        ):
            mkdirp(directory)
            with open(Path(directory) / name, "w") as file:
                program("completions", shell, output=file)

    def test_run(self):
        """run a small experiment and print its table"""
        program = Executable(self.prefix.bin.join("advstep-hpc"))
        size = ["--depths", "1", "--dims", "10", "--widths", "20", "--networks", "2"]
        program("run", *size, "--inputs", "3", "--out", "test.h5", "--overwrite")
        table = program("show", "test.h5", output=str.split)
        assert "found %" in table
