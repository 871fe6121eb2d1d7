"""What the tests share."""
import asyncio
import datetime
import subprocess
import sys

import pytest

import aiomas_rs as aiomas

CODECS = [aiomas.JSON, aiomas.MsgPack, aiomas.MsgPackBlosc]


def run(coro, timeout=120):
    """Run a coroutine, which must not hang."""
    async def limited():
        return await asyncio.wait_for(coro, timeout)

    return asyncio.run(limited())


def sequence(codec, *items):
    """What a list becomes in *codec*."""
    return list(items) if codec is aiomas.JSON else tuple(items)


@pytest.fixture(params=CODECS, ids=lambda codec: codec.__name__)
def codec(request):
    return request.param


@pytest.fixture(params=['tcp', 'unix', 'local'])
def address(request, tmp_path):
    """Makes an address to listen at."""
    if request.param == 'unix':
        return str(tmp_path / 'socket')
    if request.param == 'local':
        aiomas.local_queue.clear_queue_cache()
        return aiomas.get_queue('q')
    return '127.0.0.1', free_port()


def free_port():
    import socket
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


@pytest.fixture(scope='session')
def certificates(tmp_path_factory):
    """The files of a certificate that is its own authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    import ipaddress

    folder = tmp_path_factory.mktemp('tls')
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, 'test')])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address('127.0.0.1'))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256()))
    pem = folder / 'cert.pem'
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file = folder / 'key.pem'
    key_file.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))
    return aiomas.SSLCerts(str(pem), str(pem), str(key_file))


def python(*args, **kwds):
    """Run Python with arguments, and return what it prints."""
    return subprocess.run([sys.executable, *args], check=True, stdout=subprocess.PIPE, text=True,
                          timeout=120, **kwds).stdout
