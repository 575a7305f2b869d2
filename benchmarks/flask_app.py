"""The other peer: the callback that wechatpy's documentation shows, in Flask. It stores nothing."""

from __future__ import annotations

import os

from flask import Flask, abort, request
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.work import parse_message
from wechatpy.work.crypto import WeChatCrypto
from wechatpy.work.exceptions import InvalidCorpIdException

TOKEN = os.environ["BENCH_TOKEN"]
KEY = os.environ["BENCH_KEY"]
CORPID = os.environ["BENCH_CORPID"]

app = Flask(__name__)


@app.get("/readyz")
def ready() -> str:
    """The worker answers."""
    return ""


@app.post("/callback")
def receive() -> str:
    """Decrypt and parse, as in wechatpy's example."""
    signature = request.args.get("msg_signature", "")
    timestamp = request.args.get("timestamp", "")
    nonce = request.args.get("nonce", "")
    crypto = WeChatCrypto(TOKEN, KEY, CORPID)
    try:
        message = crypto.decrypt_message(request.data, signature, timestamp, nonce)
    except (InvalidSignatureException, InvalidCorpIdException):
        abort(403)
    parse_message(message)
    return ""
