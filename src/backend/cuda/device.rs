//! Opening a device.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};
#[cfg(feature = "cudnn")]
use std::sync::{MutexGuard, OnceLock};

use cudarc::cublas::CudaBlas;
use cudarc::cublas::sys::cublasSetWorkspace_v2;
use cudarc::driver::sys::CUresult;
use cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, DriverError,
};
use cudarc::nvrtc::Ptx;

use super::error::{blas_error, device_error};
#[cfg(feature = "cudnn")]
use super::library::Library;
use crate::backend::memory::Meter;
use crate::error::{Error, Kind, Result, bail};

/// Name and PTX of every file of `kernels/`.
const MODULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// The oldest compute capability that the kernels are compiled for (Ampere).
const OLDEST: (i32, i32) = (8, 0);

/// Bytes that cuBLAS may use beside its arguments, as its documentation recommends them. Its own it would
/// allocate anew in every record of launches, and choose products by.
const WORKSPACE: usize = 4 << 20;
/// From compute capability 9 on.
const WORKSPACE_FROM_HOPPER: usize = 32 << 20;

/// One device: its stream, its cuBLAS and cuDNN, and its kernels, each loaded once.
pub struct Gpu {
    pub(super) context: Arc<CudaContext>,
    pub(super) stream: Arc<CudaStream>,
    pub(super) blas: CudaBlas,
    #[cfg(feature = "cudnn")]
    library: OnceLock<Mutex<Library>>,
    meter: Meter,
    _workspace: CudaSlice<u8>,
    modules: Mutex<HashMap<&'static str, Arc<CudaModule>>>,
    functions: Mutex<HashMap<String, CudaFunction>>,
}

impl Gpu {
    /// Opens the device of this number, counted from 0 as `nvidia-smi` does.
    ///
    /// # Errors
    /// When the driver or cuBLAS is missing, there is no such device, or it is too old.
    pub fn open(ordinal: usize) -> Result<Arc<Self>> {
        // SAFETY: the libraries that are looked for are NVIDIA's; loading them has no effect beyond
        // their own initialisation.
        let (driver, cublas) = unsafe {
            (
                cudarc::driver::sys::is_culib_present(),
                cudarc::cublas::sys::is_culib_present(),
            )
        };
        if !driver {
            bail!(
                Device,
                "no CUDA driver is installed (libcuda was not found): install NVIDIA's driver, or use --device cpu"
            );
        }
        if !cublas {
            bail!(
                Device,
                "cuBLAS was not found: install NVIDIA's CUDA libraries (such as the package nvidia-cublas) and name \
                 their folder in LD_LIBRARY_PATH, or use --device cpu"
            );
        }
        let context = CudaContext::new(ordinal).map_err(|error| no_device(ordinal, error))?;
        let capability = context.compute_capability().map_err(device_error)?;
        if capability < OLDEST {
            bail!(
                Device,
                "device {ordinal} ({}) has compute capability {}.{}, and percept's kernels need {}.{} or later; \
                 use --device cpu",
                context.name().unwrap_or_default(),
                capability.0,
                capability.1,
                OLDEST.0,
                OLDEST.1
            );
        }
        // SAFETY: all work on this device goes to the one stream below, so no event has to order it.
        unsafe { context.disable_event_tracking() };
        // Not the default one, on which nothing can be recorded.
        let stream = context.new_stream().map_err(device_error)?;
        let blas = CudaBlas::new(stream.clone()).map_err(blas_error)?;
        let bytes = match capability.0 {
            ..9 => WORKSPACE,
            _ => WORKSPACE_FROM_HOPPER,
        };
        // SAFETY: any bytes do; they are cuBLAS's to write.
        let workspace = unsafe { stream.alloc::<u8>(bytes) }.map_err(device_error)?;
        // SAFETY: as many bytes on this device, which live as long as the handle, beside it.
        unsafe {
            let pointer = workspace.device_ptr(&stream).0 as *mut c_void;
            cublasSetWorkspace_v2(*blas.handle(), pointer, bytes).result()
        }
        .map_err(blas_error)?;
        Ok(Arc::new(Self {
            context,
            stream,
            blas,
            #[cfg(feature = "cudnn")]
            library: OnceLock::new(),
            meter: Meter::new(),
            _workspace: workspace,
            modules: Mutex::default(),
            functions: Mutex::default(),
        }))
    }

    /// The device's name.
    pub fn name(&self) -> Result<String> {
        self.context.name().map_err(device_error)
    }

    /// What its arrays hold.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Bytes of its memory that are free.
    ///
    /// # Errors
    /// When the device failed.
    pub fn free_memory(&self) -> Result<usize> {
        self.stream.synchronize().map_err(device_error)?;
        let (free, _) = self.context.mem_get_info().map_err(device_error)?;
        Ok(free)
    }

    /// Waits until all that was asked of the device is done.
    ///
    /// # Errors
    /// When some of it failed.
    pub fn wait(&self) -> Result<()> {
        self.stream.synchronize().map_err(device_error)
    }

    /// Looks for cuDNN, if that was not done yet.
    ///
    /// # Errors
    /// When it is missing, or another version.
    #[cfg(feature = "cudnn")]
    pub fn demand_cudnn(&self) -> Result<()> {
        self.library().map(drop)
    }

    /// cuDNN, for one call.
    #[cfg(feature = "cudnn")]
    pub(super) fn library(&self) -> Result<MutexGuard<'_, Library>> {
        let library = match self.library.get() {
            Some(library) => library,
            None => {
                let opened = Library::open(&self.stream)?;
                self.library.get_or_init(|| Mutex::new(opened))
            }
        };
        Ok(library.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A kernel of a file of `kernels/`.
    pub(super) fn function(&self, file: &'static str, name: &str) -> Result<CudaFunction> {
        let mut functions = self
            .functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(name) {
            return Ok(function.clone());
        }
        let function = self.module(file)?.load_function(name).map_err(|error| {
            device_error(error).context(format!("cannot find the kernel {name} of {file}.cu"))
        })?;
        functions.insert(name.to_owned(), function.clone());
        Ok(function)
    }

    fn module(&self, file: &'static str) -> Result<Arc<CudaModule>> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(file) {
            return Ok(module.clone());
        }
        let Some((_, ptx)) = MODULES.iter().find(|(name, _)| *name == file) else {
            bail!(Internal, "there is no file kernels/{file}.cu");
        };
        let module = self.context.load_module(Ptx::from_src(*ptx)).map_err(|error| {
            device_error(error).context(format!(
                "the driver cannot load kernels/{file}.cu: it may be older than the compiler that made them; update it"
            ))
        })?;
        modules.insert(file, module.clone());
        Ok(module)
    }
}

fn no_device(ordinal: usize, error: DriverError) -> Error {
    let message = match error.0 {
        CUresult::CUDA_ERROR_NO_DEVICE => {
            "the CUDA driver finds no device; use --device cpu".to_owned()
        }
        CUresult::CUDA_ERROR_INVALID_DEVICE => {
            let last = CudaContext::device_count().unwrap_or(1) - 1;
            format!("there is no device cuda:{ordinal}; the last one is cuda:{last}")
        }
        _ => format!("cannot open device cuda:{ordinal}"),
    };
    Error::new(Kind::Device, message).caused_by(error)
}
