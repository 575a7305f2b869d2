"""WeCom's side of a callback, written again from the protocol with `cryptography` alone: nothing of ours is used."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from urllib.parse import urlencode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TOKEN = "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
CORPID = "wx5823bf96d3bd56c7"


@dataclass(frozen=True)
class Sender:
    """Encrypts and signs as WeCom does, or wrongly where a test asks for it."""

    token: str = TOKEN
    aes_key: str = AES_KEY
    corpid: str = CORPID
    path: str = "/callback"

    def encrypt(self, message: bytes, *, length: int | None = None, padding: bytes | None = None) -> str:
        """`random16 || length || message || corpid`, padded to 32 bytes, AES-256-CBC, in base64."""
        key = base64.b64decode(self.aes_key + "=")
        announced = len(message) if length is None else length
        data = os.urandom(16) + announced.to_bytes(4, "big") + message + self.corpid.encode()
        missing = 32 - len(data) % 32
        data += bytes([missing]) * missing if padding is None else padding
        encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        return base64.b64encode(encryptor.update(data) + encryptor.finalize()).decode()

    def sign(self, encrypted: str, timestamp: str, nonce: str) -> str:
        """SHA-1 over the sorted parts."""
        return hashlib.sha1("".join(sorted([self.token, timestamp, nonce, encrypted])).encode()).hexdigest()

    def query(self, encrypted: str, timestamp: str = "1409659813", nonce: str = "1372623149", **more: str) -> str:
        """The query of the URL."""
        signature = self.sign(encrypted, timestamp, nonce)
        return urlencode({"msg_signature": signature, "timestamp": timestamp, "nonce": nonce, **more})

    def url(self, encrypted: str, **more: str) -> str:
        """Path and query."""
        return f"{self.path}?{self.query(encrypted, **more)}"

    def envelope(self, encrypted: str, agentid: str | None = "") -> bytes:
        """The body as WeCom sends it."""
        agent = "" if agentid is None else f"<AgentID><![CDATA[{agentid}]]></AgentID>"
        return (
            f"<xml><ToUserName><![CDATA[{self.corpid}]]></ToUserName>"
            f"<Encrypt><![CDATA[{encrypted}]]></Encrypt>{agent}</xml>"
        ).encode()

    def post(self, message: bytes | str) -> tuple[str, bytes]:
        """Path with query, and body, of one event."""
        encrypted = self.encrypt(message.encode() if isinstance(message, str) else message)
        return self.url(encrypted), self.envelope(encrypted)


def event(event: str, change_type: str = "", **fields: str) -> str:
    """The plaintext of an event."""
    values = {"ToUserName": CORPID, "FromUserName": "sys", "CreateTime": "1700000000", "MsgType": "event"}
    values |= {"Event": event} | ({"ChangeType": change_type} if change_type else {}) | fields
    return f"<xml>{''.join(f'<{name}><![CDATA[{value}]]></{name}>' for name, value in values.items())}</xml>"


def edit(number: int = 0, userid: str = "zhangsan") -> str:
    """An event that only has to be stored: its handler finds nobody."""
    return event(
        "change_external_contact",
        "edit_external_contact",
        UserID=userid,
        ExternalUserID=f"wm{number:030d}",
    )
