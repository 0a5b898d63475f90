"""What `ddx serve` can be told: where it listens, who may ask, and how much at once."""

from __future__ import annotations

import ipaddress
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from ddx.errors import InputError
from ddx.scoring.rows import MAX_TEXT

__all__ = ["TOKEN_VARIABLE", "Settings", "read_settings"]

TOKEN_VARIABLE = "DDX_SERVE_TOKEN"
MIN_TOKEN = 20  # characters


class Settings(BaseModel):
    """Settings of the service; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on; another than loopback needs a token")
    port: int = Field(8765, ge=0, le=65535, description="0 takes a free one")
    token: SecretStr | None = Field(None, description=f"asked of every request when there is one ({TOKEN_VARIABLE})")
    max_body: int = Field(2**20, ge=1024, description="bytes of a request")
    max_cases: int = Field(64, ge=1, le=10_000, description="cases of a request")
    max_text: int = Field(MAX_TEXT, ge=1, le=MAX_TEXT, description="characters of a case's text")
    max_waiting: int = Field(256, ge=1, description="cases in line, over all requests")
    batch: int = Field(8, ge=1, le=256, description="cases that the model answers together")
    timeout: float = Field(120.0, gt=0, le=86_400, description="seconds for a request")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name: it may mean anything, and may mean something else tomorrow
            return False

    @property
    def allowed_hosts(self) -> list[str]:
        """Host headers that are answered.

        On loopback only loopback's own names: a page in a browser could else reach the service under a name of its
        own that resolves to 127.0.0.1 (DNS rebinding). Elsewhere any: such a page lacks the token.
        """
        if not self.loopback:
            return ["*"]
        return ["localhost", "127.0.0.1", "[::1]", f"[{self.host}]" if ":" in self.host else self.host]

    @model_validator(mode="after")
    def _together(self) -> Self:
        token = self.token.get_secret_value() if self.token else None
        if token is None and not self.loopback:
            raise ValueError(
                f"--host {self.host} can be reached from other machines, so a token is needed: put one of at least "
                f"{MIN_TOKEN} characters into {TOKEN_VARIABLE}, or leave --host out"
            )
        if token is not None and len(token) < MIN_TOKEN:
            raise ValueError(f"{TOKEN_VARIABLE} has {len(token)} characters; a token needs at least {MIN_TOKEN}")
        if token is not None and not all("!" <= character <= "~" for character in token):
            raise ValueError(f"{TOKEN_VARIABLE} may hold only printable ASCII characters, no spaces")
        if self.max_waiting < self.max_cases:
            raise ValueError(f"--max-waiting {self.max_waiting} is less than --max-cases {self.max_cases}")
        return self


def read_settings(**values: Any) -> Settings:
    """Settings from the options of the command. Raises InputError with one line, which never shows the token."""
    try:
        return Settings(**values)
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        option = "".join(f"--{part}: " for part in fault["loc"]).replace("_", "-")
        raise InputError(f"{option}{fault['msg'].removeprefix('Value error, ')}") from None
