//! A connection's permit on its listener.

use std::sync::{Arc, Mutex};

use crate::lock::lock;
use aiomas_core::connection::{Admission, Admitted, NotAdmitted};

/// A connection's permit on the listener that accepted it. Dropping the permit frees it for another connection.
pub(crate) struct AdmissionPermit {
    admission: Arc<Mutex<Admission>>,
    admitted: Option<Admitted>,
}

impl AdmissionPermit {
    pub(crate) fn take(
        admission: &Arc<Mutex<Admission>>,
        peer: Option<&str>,
    ) -> Result<Self, NotAdmitted> {
        let admitted = Some(lock(admission).admit(peer)?);
        Ok(Self { admission: admission.clone(), admitted })
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        if let Some(admitted) = self.admitted.take() {
            lock(&self.admission).release(admitted);
        }
    }
}
