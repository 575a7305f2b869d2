"""Published vectors of WeCom's callback cryptography: made by other implementations, verified with OpenSSL."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Vector:
    """One callback: what arrived and what it says."""

    what: str
    token: str
    encoding_aes_key: str
    corpid: str
    timestamp: str
    nonce: str
    signature: str
    random16: bytes
    encrypt: str
    plaintext: str


VECTORS = [
    Vector(
        what="POST of an app message, padding 30, newlines between elements",
        token="QDG6eK",
        encoding_aes_key="jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
        corpid="wx5823bf96d3bd56c7",
        timestamp="1409659813",
        nonce="1372623149",
        signature="477715d11cdb4164915debcba66cb864d751f3e6",
        random16=bytes.fromhex("30393630363838393332633437656631"),
        encrypt=(
            "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911"
            "L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLx"
            "AUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9"
            "nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/u"
            "h9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
        ),
        plaintext=(
            "<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n"
            "<FromUserName><![CDATA[mycreate]]></FromUserName>\n"
            "<CreateTime>1409659813</CreateTime>\n"
            "<MsgType><![CDATA[text]]></MsgType>\n"
            "<Content><![CDATA[hello]]></Content>\n"
            "<MsgId>4561255354251345929</MsgId>\n"
            "<AgentID>218</AgentID>\n"
            "</xml>"
        ),
    ),
    Vector(
        what="URL verification",
        token="QDG6eK",
        encoding_aes_key="jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
        corpid="wx5823bf96d3bd56c7",
        timestamp="1409659589",
        nonce="263014780",
        signature="5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
        random16=bytes.fromhex("63343162363434393163323436386430"),
        encrypt=("P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="),
        plaintext=("1616140317555161061"),
    ),
    Vector(
        what="URL verification",
        token="hJqcu3uJ9Tn2gXPmxx2w9kkCkCE2EPYo",
        encoding_aes_key="6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt",
        corpid="ww1436e0e65a779aee",
        timestamp="1476416373",
        nonce="47744683",
        signature="012bc692d0a58dd4b10f8dfe5c4ac00ae211ebeb",
        random16=bytes.fromhex("38393038643066663035326166646130"),
        encrypt=("fsi1xnbH4yQh0+PJxcOdhhK6TDXkjMyhEPA7xB2TGz6b+g7xyAbEkRxN/3cNXW9qdqjnoVzEtpbhnFyq6SVHyA=="),
        plaintext=("1288432023552776189"),
    ),
    Vector(
        what="POST without CDATA",
        token="hJqcu3uJ9Tn2gXPmxx2w9kkCkCE2EPYo",
        encoding_aes_key="6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt",
        corpid="ww1436e0e65a779aee",
        timestamp="1476422779",
        nonce="1597212914",
        signature="0c3914025cb4b4d68103f6bfc8db550f79dcf48e",
        random16=bytes.fromhex("36393463653561383361653037666533"),
        encrypt=(
            "Kl7kjoSf6DMD1zh7rtrHjFaDapSCkaOnwu3bqLc5tAybhhMl9pFeK8NslNPVdMwmBQTNoW4mY7AIjeLvEl3NyeTkAgGzBhzT"
            "tRLNshw2AEew+kkYcD+Fq72Kt00fT0WnN87hGrW8SqGc+NcT3mu87Ha3dz1pSDi6GaUA6A0sqfde0VJPQbZ9U+3JWcoD4Z5j"
            "aU0y9GSh010wsHF8KZD24YhmZH4ch4Ka7ilEbjbfvhKkNL65HHL0J6EYJIZUC2pFrdkJ7MhmEbU2qARR4iQHE7wy24qy0cRX"
            "3Mfp6iELcDNfSsPGjUQVDGxQDCWjayJOpcwocugux082f49HKYg84EpHSGXAyh+/oxwaWbvL6aSDPOYuPDGOCI8jmnKiypE+"
        ),
        plaintext=(
            "<xml><ToUserName>ww1436e0e65a779aee</ToUserName><FromUserName>ChenJiaShun</FromUserName><CreateTime>1476422779</CreateTime><MsgType>text</MsgType><Content>你好</Content><MsgId>1456453720</MsgId><AgentID>1000002</AgentID></xml>"
        ),
    ),
    Vector(
        what="URL verification",
        token="123456",
        encoding_aes_key="kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR",
        corpid="wx49f0ab532d5d035a",
        timestamp="1411443780",
        nonce="437374425",
        signature="dd6b9c95b495b3f7e2901bfbc76c664930ffdb96",
        random16=bytes.fromhex("32333034666332666531343666316638"),
        encrypt=("4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q=="),
        plaintext=("5927782489442352469"),
    ),
    Vector(
        what="encryption with chosen random bytes",
        token="123456",
        encoding_aes_key="kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR",
        corpid="wx49f0ab532d5d035a",
        timestamp="1411525903",
        nonce="461056294",
        signature="407518b7649e86ef23978113f92d27afa9296533",
        random16=bytes.fromhex("31323334353637383930313233343536"),
        encrypt=(
            "9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8Gq"
            "xlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qv"
            "SUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQy"
            "PR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3"
        ),
        plaintext=(
            "<xml>\n"
            "<MsgType><![CDATA[text]]></MsgType>\n"
            "<Content><![CDATA[test]]></Content>\n"
            "<FromUserName><![CDATA[wx49f0ab532d5d035a]]></FromUserName>\n"
            "<ToUserName><![CDATA[messense]]></ToUserName>\n"
            "<AgentID>1</AgentID>\n"
            "<CreateTime>1411525903</CreateTime>\n"
            "</xml>"
        ),
    ),
]
