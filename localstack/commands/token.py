"""`token`: access tokens of this clone's own issuer, for `./dev up --auth jwt` and for stacks that know its key."""

from pathlib import Path
from typing import Annotated

import typer

from localstack.errors import UserError
from order_engine.cli.console import Console, write_line

group = typer.Typer(invoke_without_command=True, rich_markup_mode="rich")


@group.callback()
def token(
    context: typer.Context,
    *,
    user: Annotated[str, typer.Option(help="Whose token it is: its subject, and the owner of the orders.")] = "",
    lifetime: Annotated[str, typer.Option("--for", help="How long it counts: 30m, 12h, 90d at most.")] = "12h",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="orders:read or orders:write; may be repeated. Without one it may do both."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="Private key to sign with, as a JWK; made where there is none. Else this clone's own."),
    ] = None,
    issuer: Annotated[str, typer.Option(help="Its iss: the stack's AuthIssuer.")] = "",
    audience: Annotated[str, typer.Option(help="Its aud: the stack's AuthAudience.")] = "",
    public: Annotated[bool, typer.Option("--public", help="Prints the public keys for AuthKeys instead.")] = False,
) -> None:
    """Prints an access token and nothing else: TOKEN=$(./dev token --user alice).

    For a stack on AWS: --key FILE --public prints what AuthKeys takes, --key FILE --user NAME a token.
    """
    if context.invoked_subcommand is not None:
        return
    from localstack.client import issuer as issuers

    name, named = issuer or issuers.ISSUER, audience or issuers.AUDIENCE
    if public:
        write_line(issuers.read_issuer(key or issuers.KEY_FILE, name, named).public_keys)
        return
    # The same rule as the service's for a subject; 1 to 128 characters, none of them invisible.
    if not 1 <= len(user) <= 128 or user.isspace() or not user.isprintable():
        raise UserError("--user takes a name of 1 to 128 printable characters: ./dev token --user alice")
    scopes = [word for text in scope or () for word in text.replace(",", " ").split()]
    if unknown := set(scopes) - set(issuers.SCOPES):
        raise UserError(f"--scope takes {' and '.join(issuers.SCOPES)}, not {', '.join(sorted(unknown))}.")
    seconds = issuers.seconds_of(lifetime)
    write_line(issuers.read_issuer(key or issuers.KEY_FILE, name, named).sign(user, seconds, scopes))


@group.command("revoke")
def revoke(
    token_or_id: Annotated[str, typer.Argument(metavar="JTI", help="A token, or its id (jti).", show_default=False)],
) -> None:
    """Has a token count no more: at once in the stack of this clone, elsewhere by the parameter that is printed."""
    from localstack.client import issuer as issuers

    name = issuers.token_id_of(token_or_id)
    everything = ",".join(issuers.revoke(name))
    Console().print(
        f"{name} is revoked: a ./dev up --auth jwt of this clone knows it within seconds. "
        f"Another stack: ./dev deploy … --parameter AuthRevoked={everything}",
        markup=False,
        soft_wrap=True,
    )


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(group, name="token")
