"""Media that messages carry. The bytes are ours; the ids that WeCom gives for them live three days."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, LargeBinary
from sqlmodel import Field, SQLModel

from data.types import UtcDateTime


class Media(SQLModel, table=True):
    """A file, known by the SHA-256 of its bytes (hex)."""

    __tablename__ = "media"

    sha256: str = Field(primary_key=True, max_length=64)
    kind: str = Field(max_length=8, description="image, video or file: WeCom's upload type.")
    filename: str = Field(max_length=128)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    size_bytes: int
    added_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class MediaUpload(SQLModel, table=True):
    """An upload of a file to WeCom. The ids of the three upload endpoints are not interchangeable."""

    __tablename__ = "media_uploads"

    sha256: str = Field(primary_key=True, max_length=64)
    endpoint: str = Field(primary_key=True, max_length=24, description="upload, upload_attachment …")
    media_id: str = Field(max_length=512)
    uploaded_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
