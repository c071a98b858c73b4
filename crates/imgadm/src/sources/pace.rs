//! How fast the other end of a connection speaks: one that brings next to nothing counts as broken, whatever it is
//! asked for.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Fewer bytes than this within the stall limit, and the connection counts as broken.
pub const LEAST_IN_STALL: u64 = 16 << 10;

/// Why a connection was given up.
#[derive(Debug)]
pub struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is too slow")
    }
}

impl std::error::Error for TooSlow {}

/// Holds connections to this stall limit. It belongs below TLS, where every byte is seen as it comes.
#[derive(Debug)]
pub struct PaceConnector(pub Duration);

impl<In: Transport> Connector<In> for PaceConnector {
    type Out = PacedTransport<In>;

    fn connect(
        &self,
        _details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let paced =
            |inner| PacedTransport { inner, limit: self.0, waited: Duration::ZERO, came: 0 };
        Ok(chained.map(paced))
    }
}

/// A connection whose other end is held to the limit.
#[derive(Debug)]
pub struct PacedTransport<T> {
    inner: T,
    limit: Duration,
    /// How long was waited for what is counted in `came`. What is done with it meanwhile is not the server's time.
    waited: Duration,
    came: u64,
}

impl<T: Transport> PacedTransport<T> {
    /// Counts bytes that came after a wait; fails where too few have come.
    fn count(&mut self, waited: Duration, came: usize) -> Result<(), Error> {
        self.waited += waited;
        self.came += came as u64;
        if self.waited <= self.limit {
            return Ok(());
        }
        if self.came < LEAST_IN_STALL {
            return Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, TooSlow)));
        }
        self.begin();
        Ok(())
    }

    fn begin(&mut self) {
        (self.waited, self.came) = (Duration::ZERO, 0);
    }
}

impl<T: Transport> Transport for PacedTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        // While we speak, the other end has to listen only.
        self.begin();
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let (began, before) = (Instant::now(), self.inner.buffers().input().len());
        let progress = self.inner.await_input(timeout)?;
        let came = self.inner.buffers().input().len().saturating_sub(before);
        self.count(began.elapsed(), came)?;
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
