"""Callbacks: the envelope, its signature and its encryption (WeCom docs 90930 and 90968).

wechatpy does the AES; the envelope is read with expat itself (half of xmltodict's cost), signatures are
compared in constant time, and padding, lengths and receiver are checked. Whatever is wrong with what came in, the
answer is `BadCallbackError` with one word for the reason, and never another exception.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Final, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

from wechatpy.work.crypto import PrpCrypto

from bot.errors import ConfigurationError
from bot.wecom.errors import BadCallbackError

BODY_MAX_BYTES: Final = 262_144
DEPTH_MAX: Final = 16
#: How the nonces of our own verifications begin. WeCom's are digits, and a nonce is signed: nobody else can send one.
OWN_NONCE: Final = "siyu-check-"

_RANDOM_BYTES: Final = 16
_LENGTH_BYTES: Final = 4
_BLOCK_BYTES: Final = 32  # PKCS#7 with blocks of 32, although AES's own are 16
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KEY = re.compile(r"[A-Za-z0-9+/]{43}")
#: What WeCom itself sends, in its own order: read in a tenth of the time that an XML parser takes.
_USUAL = re.compile(
    rb"<xml>\s*<ToUserName><!\[CDATA\[(\w{1,64})\]\]></ToUserName>\s*"
    rb"(?:<AgentID><!\[CDATA\[(\d{0,20})\]\]></AgentID>\s*)?"
    rb"<Encrypt><!\[CDATA\[([A-Za-z0-9+/=]+)\]\]></Encrypt>\s*"
    rb"(?:<AgentID><!\[CDATA\[(\d{0,20})\]\]></AgentID>\s*)?</xml>\s*"
)


class Envelope(NamedTuple):
    """The outer XML of a callback. `agentid` is "" where WeCom leaves it empty: customer and directory events."""

    to_user: str
    agentid: str
    encrypt: str


class _EnvelopeReader:
    """Collects the three texts below the root; refuses what an envelope never has."""

    __slots__ = ("depth", "found", "taking", "text")

    def __init__(self) -> None:
        self.depth = 0
        self.found: dict[str, str] = {}
        self.taking = ""
        self.text: list[str] = []

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1:
            if name != "xml":
                raise BadCallbackError("xml", "The callback's root element is not <xml>.")
        elif self.taking:
            raise BadCallbackError("xml", "The callback holds elements where a text belongs.")
        elif self.depth == 2 and name in ("ToUserName", "AgentID", "Encrypt"):
            if name in self.found:
                raise BadCallbackError("duplicate", f"The callback has two {name} elements.")
            self.taking = name
        elif self.depth > DEPTH_MAX:
            raise BadCallbackError("xml", "The callback's elements are nested too deep.")

    def end(self, _name: str) -> None:
        self.depth -= 1
        if self.taking:
            self.found[self.taking] = "".join(self.text)
            self.text.clear()
            self.taking = ""

    def characters(self, data: str) -> None:
        if self.taking:
            self.text.append(data)

    def refuse_doctype(self, *_: object) -> None:
        raise BadCallbackError("entities", "The callback declares a document type.")


def parse_envelope(body: bytes, max_bytes: int = BODY_MAX_BYTES) -> Envelope:
    """The envelope of a POSTed callback: elements in any order, with or without CDATA, unknown ones ignored.

    Raises BadCallbackError: "size", "xml", "entities" (a DTD), "duplicate", "missing" (no Encrypt).
    """
    if len(body) > max_bytes:
        raise BadCallbackError("size", f"The callback has {len(body)} bytes; at most {max_bytes} are read.")
    usual = _USUAL.fullmatch(body)
    if usual is not None and None in usual.group(2, 4):
        to_user, before, encrypted, after = usual.groups(b"")
        return Envelope(to_user.decode(), (before or after).decode(), encrypted.decode())
    reader = _EnvelopeReader()
    # The encoding is fixed: WeCom sends UTF-8, and a declaration in the body must not choose a codec for us.
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise BadCallbackError("xml", f"The callback is not XML: {expat.ErrorString(error.code)}.") from None
    found = reader.found
    encrypt = found.get("Encrypt", "").strip()
    if not encrypt:
        raise BadCallbackError("missing", "The callback has no Encrypt element.")
    return Envelope(found.get("ToUserName", "").strip(), found.get("AgentID", "").strip(), encrypt)


class _Aes(PrpCrypto):
    """wechatpy's cipher with a source of randomness that can be chosen; made once, since the key never changes."""

    def __init__(self, key: bytes, random16: Callable[[], bytes]) -> None:
        super().__init__(key)
        self.get_random_string = random16


class CallbackCrypto:
    """Signature and encryption of one configured callback (its token, its EncodingAESKey, our corpid)."""

    def __init__(
        self,
        token: str,
        encoding_aes_key: str,
        corpid: str,
        *,
        random16: Callable[[], bytes] = lambda: secrets.token_bytes(_RANDOM_BYTES),
    ) -> None:
        """Raises ConfigurationError for a key that is not 43 letters and digits, or an empty token or corpid."""
        if not token:
            raise ConfigurationError(
                "The callback has no Token.", "Copy it from the page 接收消息 of the app in WeCom's admin console."
            )
        if not _KEY.fullmatch(encoding_aes_key):
            raise ConfigurationError(
                f"EncodingAESKey must have 43 letters and digits; this one has {len(encoding_aes_key)} characters"
                f"{'' if len(encoding_aes_key) != 43 else ', some of them neither'}.",
                "Copy it from the page 接收消息 of the app in WeCom's admin console.",
            )
        if not corpid:
            raise ConfigurationError(
                "The corpid is missing.", "Copy it from the page 我的企业 of WeCom's admin console."
            )
        self._token = token
        self._corpid = corpid.encode()
        self._corpid_text = corpid
        # Keys may carry bits beyond the 256th; the decoder drops them, as WeCom does.
        self._aes = _Aes(base64.b64decode(encoding_aes_key + "="), random16)
        # One context for all callbacks, since setting one up takes longer than decrypting. In CBC what came before
        # reaches only into the first block of what comes next, and that is the random one which nobody reads.
        self._decryptor = self._aes.cipher.cipher.decryptor()

    def sign(self, timestamp: str, nonce: str, encrypt: str) -> str:
        """`msg_signature`: SHA-1, in lower-case hex, over token, timestamp, nonce and ciphertext in sorted order."""
        parts = sorted((self._token, timestamp, nonce, encrypt))
        return hashlib.sha1("".join(parts).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()

    def verify_url(self, signature: str, timestamp: str, nonce: str, echostr: str) -> str:
        """What to answer when WeCom verifies the URL, from the query already URL-decoded. Raises BadCallbackError."""
        return self.decrypt(echostr, signature, timestamp, nonce)

    def decrypt(self, encrypt: str, signature: str, timestamp: str, nonce: str) -> str:
        """The plaintext of a callback, without NUL.

        Raises BadCallbackError: "signature", "base64", "padding", "length", "receiver" or "encoding".
        """
        expected = self.sign(timestamp, nonce, encrypt)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass")):
            raise BadCallbackError("signature", "The callback's signature does not match.")
        try:
            ciphertext = binascii.a2b_base64(encrypt, strict_mode=True)
        except ValueError:
            raise BadCallbackError("base64", "The callback's ciphertext is not base64.") from None
        if len(ciphertext) < _BLOCK_BYTES or len(ciphertext) % _RANDOM_BYTES:
            raise BadCallbackError("length", "The callback's ciphertext is cut off.")
        return self._unpack(self._decryptor.update(ciphertext))

    def _unpack(self, padded: bytes) -> str:
        padding = padded[-1]
        if not 1 <= padding <= _BLOCK_BYTES or not padded.endswith(bytes((padding,)) * padding):
            raise BadCallbackError("padding", "The callback was encrypted with another EncodingAESKey.")
        start = _RANDOM_BYTES + _LENGTH_BYTES
        content = padded[:-padding]
        end = start + int.from_bytes(content[_RANDOM_BYTES:start], "big")
        if end > len(content):
            raise BadCallbackError("length", "The callback's length does not fit its content.")
        if not hmac.compare_digest(content[end:], self._corpid):
            raise BadCallbackError("receiver", "The callback is for another company.")
        try:
            message = content[start:end].decode()
        except UnicodeDecodeError:
            raise BadCallbackError("encoding", "The callback's content is not UTF-8.") from None
        if "\0" in message:  # not XML, and PostgreSQL could not store it
            raise BadCallbackError("encoding", "The callback's content holds a NUL character.")
        return message

    def encrypt(self, message: str) -> str:
        """`message` as ciphertext in base64, with fresh randomness."""
        return str(self._aes.encrypt(message, self._corpid_text), "ascii")

    def encrypt_text(self, userid: str, words: str, timestamp: int, nonce: str) -> str:
        """The body of a passive reply that shows a member a text."""
        # A text that ends a CDATA section goes on in the next one.
        told = _NOT_XML.sub("", words).replace("]]>", "]]]]><![CDATA[>")
        xml = (
            f"<xml><ToUserName>{escape(userid)}</ToUserName><FromUserName>{escape(self._corpid_text)}</FromUserName>"
            f"<CreateTime>{timestamp}</CreateTime><MsgType>text</MsgType><Content><![CDATA[{told}]]></Content></xml>"
        )
        return self.encrypt_reply(xml, str(timestamp), nonce)

    def encrypt_reply(self, xml: str, timestamp: str, nonce: str) -> str:
        """The body of a passive reply: `xml` encrypted and signed in WeCom's reply envelope."""
        encrypt = self.encrypt(xml)
        return (
            f"<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt>"
            f"<MsgSignature><![CDATA[{self.sign(timestamp, nonce, encrypt)}]]></MsgSignature>"
            f"<TimeStamp>{escape(timestamp)}</TimeStamp><Nonce>{escape(nonce)}</Nonce></xml>"
        )
