//! The filesystem of WASI, with a look at what is left of the quota before anything grows.
use bytes::Bytes;
use wasmtime::{
    Result,
    component::{HasData, Resource},
};
use wasmtime_wasi::{
    filesystem::{Descriptor as Opened, WasiFilesystemCtxView},
    p2::{
        DynInputStream, DynOutputStream, FsError, FsResult, OutputStream, Pollable, StreamError,
        StreamResult,
        bindings::filesystem::{preopens, types},
    },
};

use super::quota::{Full, Room};
use types::{Descriptor, DescriptorFlags, DirectoryEntryStream, ErrorCode, OpenFlags, PathFlags};

/// What a component was lent of the filesystem.
pub(super) struct Lent<'a> {
    pub(super) inner: WasiFilesystemCtxView<'a>,
    /// Absent where nothing can be written.
    pub(super) room: Option<Room>,
}

pub(super) struct Lending;

impl HasData for Lending {
    type Data<'a> = Lent<'a>;
}

impl Lent<'_> {
    /// The size of an open file, in bytes.
    fn size(&self, fd: &Resource<Descriptor>) -> FsResult<u64> {
        match self.inner.table.get(fd)? {
            Opened::File(file) => Ok(file.file.metadata()?.len()),
            Opened::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// The stream, counted; `from` is where it begins, and absent for one that appends.
    fn counted(
        &mut self,
        stream: Resource<DynOutputStream>,
        covered: u64,
        from: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let Some(room) = self.room.clone() else { return Ok(stream) };
        let inner = self.inner.table.delete(stream)?;
        let counted: DynOutputStream = Box::new(Counted { inner, room, covered, at: from });
        Ok(self.inner.table.push(counted)?)
    }
}

/// What there is room in, once it is known how much.
async fn known(room: Option<Room>) -> FsResult<Option<Room>> {
    if let Some(room) = &room {
        room.measured().await?;
    }
    Ok(room)
}

/// Counts one more entry. Where it is not made after all, it stays counted until the directory is let go.
async fn add_entry(room: Option<Room>) -> FsResult<()> {
    if let Some(room) = known(room).await? {
        room.add_entry()?;
    }
    Ok(())
}

fn same(fd: &Resource<Descriptor>) -> Resource<Descriptor> {
    Resource::new_borrow(fd.rep())
}

/// A stream into a file.
struct Counted {
    inner: DynOutputStream,
    room: Room,
    /// So many bytes of the file are counted.
    covered: u64,
    at: u64,
}

impl Counted {
    fn count(&mut self, bytes: &Bytes) -> StreamResult<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let full = |Full| StreamError::LastOperationFailed(wasmtime::Error::new(Full));
        let end = self.at.checked_add(length).ok_or(Full).map_err(full)?;
        self.room.extend(self.covered, end).map_err(full)?;
        (self.at, self.covered) = (end, self.covered.max(end));
        Ok(())
    }
}

#[async_trait::async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(&bytes)?;
        self.inner.write(bytes)
    }
    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(&bytes)?;
        self.inner.blocking_write_and_flush(bytes).await
    }
    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }
    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }
    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[async_trait::async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

impl preopens::Host for Lent<'_> {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        preopens::Host::get_directories(&mut self.inner)
    }
}

impl types::Host for Lent<'_> {
    fn convert_error_code(&mut self, error: FsError) -> Result<ErrorCode> {
        self.inner.convert_error_code(error)
    }
    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> Result<Option<ErrorCode>> {
        if self.inner.table.get(&error)?.downcast_ref::<Full>().is_some() {
            return Ok(Some(ErrorCode::Quota));
        }
        self.inner.filesystem_error_code(error)
    }
}

impl types::HostDirectoryEntryStream for Lent<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<types::DirectoryEntry>> {
        self.inner.read_directory_entry(stream).await
    }
    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> Result<()> {
        types::HostDirectoryEntryStream::drop(&mut self.inner, stream)
    }
}

/// What can make the directory larger comes first; the rest goes on as it is.
impl types::HostDescriptor for Lent<'_> {
    async fn set_size(&mut self, fd: Resource<Descriptor>, size: u64) -> FsResult<()> {
        if let Some(room) = known(self.room.clone()).await? {
            room.extend(self.size(&fd)?, size)?;
        }
        self.inner.set_size(fd, size).await
    }
    async fn write(&mut self, fd: Resource<Descriptor>, bytes: Vec<u8>, at: u64) -> FsResult<u64> {
        if let Some(room) = known(self.room.clone()).await? {
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            room.extend(self.size(&fd)?, at.checked_add(length).ok_or(Full)?)?;
        }
        self.inner.write(fd, bytes, at).await
    }
    fn write_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        at: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let covered = self.size(&fd)?;
        let stream = self.inner.write_via_stream(fd, at)?;
        self.counted(stream, covered, at)
    }
    fn append_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        // Where its end is when something is written, others decide, too: every byte counts.
        let stream = self.inner.append_via_stream(fd)?;
        self.counted(stream, 0, 0)
    }
    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        // What a stream writes is counted where nothing can wait: it is measured before there is one.
        known(self.room.clone()).await?;
        if how.contains(OpenFlags::CREATE)
            && self.inner.stat_at(same(&fd), follow, path.clone()).await.is_err()
        {
            add_entry(self.room.clone()).await?;
        }
        self.inner.open_at(fd, follow, path, how, flags).await
    }
    async fn create_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        add_entry(self.room.clone()).await?;
        self.inner.create_directory_at(fd, path).await
    }
    async fn symlink_at(
        &mut self,
        fd: Resource<Descriptor>,
        to: String,
        path: String,
    ) -> FsResult<()> {
        add_entry(self.room.clone()).await?;
        self.inner.symlink_at(fd, to, path).await
    }
    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        old: String,
        new_fd: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        add_entry(self.room.clone()).await?;
        self.inner.link_at(fd, follow, old, new_fd, new).await
    }

    fn read_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        at: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        self.inner.read_via_stream(fd, at)
    }
    async fn advise(
        &mut self,
        fd: Resource<Descriptor>,
        at: u64,
        length: u64,
        advice: types::Advice,
    ) -> FsResult<()> {
        self.inner.advise(fd, at, length, advice).await
    }
    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.inner.sync_data(fd).await
    }
    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.inner.get_flags(fd).await
    }
    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<types::DescriptorType> {
        self.inner.get_type(fd).await
    }
    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        access: types::NewTimestamp,
        change: types::NewTimestamp,
    ) -> FsResult<()> {
        self.inner.set_times(fd, access, change).await
    }
    async fn read(
        &mut self,
        fd: Resource<Descriptor>,
        length: u64,
        at: u64,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.inner.read(fd, length, at).await
    }
    async fn read_directory(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        self.inner.read_directory(fd).await
    }
    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.inner.sync(fd).await
    }
    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<types::DescriptorStat> {
        self.inner.stat(fd).await
    }
    async fn stat_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
    ) -> FsResult<types::DescriptorStat> {
        self.inner.stat_at(fd, follow, path).await
    }
    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
        access: types::NewTimestamp,
        change: types::NewTimestamp,
    ) -> FsResult<()> {
        self.inner.set_times_at(fd, follow, path, access, change).await
    }
    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.inner.readlink_at(fd, path).await
    }
    async fn remove_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.inner.remove_directory_at(fd, path).await
    }
    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        old: String,
        new_fd: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        self.inner.rename_at(fd, old, new_fd, new).await
    }
    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.inner.unlink_file_at(fd, path).await
    }
    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> Result<bool> {
        self.inner.is_same_object(one, other).await
    }
    async fn metadata_hash(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<types::MetadataHashValue> {
        self.inner.metadata_hash(fd).await
    }
    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
    ) -> FsResult<types::MetadataHashValue> {
        self.inner.metadata_hash_at(fd, follow, path).await
    }
    fn drop(&mut self, fd: Resource<Descriptor>) -> Result<()> {
        types::HostDescriptor::drop(&mut self.inner, fd)
    }
}
