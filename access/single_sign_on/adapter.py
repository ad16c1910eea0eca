"""django-allauth carries the exchange with the provider (state, PKCE, code for token, stages of the sign-in); here is what
it must know of us: where providers are kept, how their answers are fetched and checked, and whose account it is."""

from __future__ import annotations

import secrets
from typing import Any, NoReturn

from allauth.account.internal.stagekit import clear_login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse

from access.models import User
from access.sign_in.stages import PROVEN_BY_SIGN_ON
from access.single_sign_on import arriving, oidc, queries, sealing, stepping_up
from access.single_sign_on import claims as claiming
from access.single_sign_on.errors import ProviderUnreachable, SignOnRefused
from access.single_sign_on.fetching import Session
from access.single_sign_on.models import IdentityProvider

KIND = "openid_connect"
SIGN_IN, CONNECT, PROVE = "login", "connect", "prove"


class SocialAdapter(DefaultSocialAccountAdapter):
    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """One provider by its identifier; there is no list of all of them for anybody."""
        found = queries.find_provider(str(provider or ""))
        return [] if found is None else [as_app(found)]

    def get_provider(self, request: HttpRequest, provider: str, client_id: Any = None) -> Provider:
        try:
            return Provider(request, app=self.get_app(request, provider=provider))
        except SocialApp.DoesNotExist as error:
            # Switched off between the steps of a sign-in: django-allauth then forgets the half-way one.
            raise ValueError("no such provider") from error

    def get_requests_session(self) -> Session:
        return Session()

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False  # accounts are made in `pre_social_login`, or not at all

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """The provider's word was checked. Decide whose account it opens; django-allauth does the rest."""
        found: IdentityProvider = sociallogin.provider.identity
        claims: dict[str, Any] = sociallogin.provider.claims
        subject: str = sociallogin.account.uid
        sociallogin.token = None  # what opens doors at the provider is of no use here and is not kept
        if sociallogin.state["process"] == CONNECT:
            self._connect(request, sociallogin, found=found, subject=subject, claims=claims)
        if sociallogin.state["process"] == PROVE:
            self._prove(request, sociallogin.state, found=found, subject=subject, claims=claims)
        user = arriving.enter(sign_on=found, subject=subject, claims=claims, request=request)
        sociallogin.user = user
        sociallogin.account.user = user
        sociallogin.state[PROVEN_BY_SIGN_ON] = found.counts_second_factor and claiming.proved_second_factor(
            claims, values=found.second_factor_values
        )
        clear_login(request)
        if not request.user.is_authenticated:
            # Whoever planted this session before must not hold it when it becomes somebody's.
            request.session.cycle_key()

    def _connect(
        self,
        request: HttpRequest,
        sociallogin: SocialLogin,
        *,
        found: IdentityProvider,
        subject: str,
        claims: dict[str, Any],
    ) -> NoReturn:
        user = request.user
        if not isinstance(user, User) or sociallogin.state.get("person") != user.pk:
            raise SignOnRefused(code="somebody-else")
        arriving.connect(sign_on=found, subject=subject, user=user, claims=claims, request=request)
        raise ImmediateHttpResponse(redirect(reverse("access:security") + "#sign-on"))

    def _prove(
        self,
        request: HttpRequest,
        state: dict[str, Any],
        *,
        found: IdentityProvider,
        subject: str,
        claims: dict[str, Any],
    ) -> NoReturn:
        user = request.user
        if not isinstance(user, User) or state.get("person") != user.pk:
            raise SignOnRefused(code="somebody-else")
        stepping_up.take(request=request, user=user, found=found, subject=subject, claims=claims, state=state)
        raise ImmediateHttpResponse(redirect("access:sign-on-proven"))

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> NoReturn:
        if isinstance(exception, OAuth2Error):
            # The text of the error repeats what the provider said, and is kept nowhere.
            raise ProviderUnreachable(code="code-refused") from exception
        if "state_id" in (extra_context or {}):
            raise SignOnRefused(code="state")
        raise SignOnRefused(code="refused" if exception else "provider-error") from exception

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """`access.sign_in.mail` writes our letters."""


def as_app(found: IdentityProvider) -> SocialApp:
    """The provider as django-allauth knows one; made for the moment, never saved."""
    app = SocialApp(
        provider=KIND,
        provider_id=found.public_id,
        name=found.label,
        client_id=found.client_id,
        secret=sealing.unseal(found.sealed_secret),
        settings={
            "server_url": found.issuer,
            "scope": found.scopes.split(),
            "oauth_pkce_enabled": True,
            "fetch_userinfo": False,
        },
    )
    app.identity = found
    return app


class Provider(OpenIDConnectProvider):
    claims: dict[str, Any]

    @property
    def identity(self) -> IdentityProvider:
        found: IdentityProvider = self.app.identity
        return found

    def get_oauth2_adapter(self, request: HttpRequest) -> ProtocolAdapter:
        return ProtocolAdapter(request, self.app.provider_id, provider=self)

    def serialize(self) -> dict[str, Any]:
        # The client ID of the base class may be used by two organisations; this names one provider.
        return {"id": self.sub_id}

    def extract_uid(self, data: Any) -> str:
        return claiming.kept_name(data["sub"])

    def extract_extra_data(self, data: Any) -> dict[str, Any]:
        return {}  # who somebody is stands with the account; claims are not kept

    def extract_common_fields(self, data: Any) -> dict[str, Any]:
        return {}

    def extract_email_addresses(self, data: Any) -> list[Any]:
        return []


class ProtocolAdapter(OpenIDConnectOAuth2Adapter):
    def __init__(self, request: HttpRequest, provider_id: str, *, provider: Provider) -> None:
        super().__init__(request, provider_id)
        self.provider = provider
        self.state: dict[str, Any] = {}

    def get_provider(self) -> Provider:
        return self.provider

    @property
    def openid_config(self) -> dict[str, Any]:
        return oidc.discover(self.provider.identity.issuer)

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        return callback_address(app.provider_id)

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any) -> SocialLogin:
        found, document = self.provider.identity, self.openid_config
        id_token = kwargs["response"].get("id_token")
        claims = oidc.read_id_token(
            id_token,
            provider=found,
            document=document,
            nonce=str(self.state["nonce"]),
            access_token=str(token.token),
        )
        self.state["issued_at"] = claims["iat"]
        if oidc.is_identifier(claims.get("sid")):
            self.state["session_there"] = claiming.kept_name(claims["sid"])
        if found.reads_userinfo:
            more = oidc.read_userinfo(document=document, access_token=token.token, subject=claims["sub"])
            claims = claiming.merged(signed=claims, more=more)
        self.provider.claims = claims
        login: SocialLogin = self.provider.sociallogin_from_response(request, {"sub": claims["sub"]})
        if found.signs_out and document.get("end_session_endpoint"):
            self.state["hint"] = sealing.seal(id_token)
        return login


class CallbackView(OAuth2CallbackView):
    """The provider sent the person back."""

    adapter: ProtocolAdapter

    def _get_state(self, request: HttpRequest, provider: Provider) -> Any:
        state, answer = super()._get_state(request, provider)
        if answer is not None or state is None or "nonce" not in state:
            raise SignOnRefused(code="state")
        self.adapter.state = state
        document = self.adapter.openid_config
        said = request.GET.get("iss")
        # RFC 9207: the answer of another provider, mixed up with ours, says so.
        if said is not None and said != provider.identity.issuer:
            raise SignOnRefused(code="answer-of-another")
        if said is None and document.get("authorization_response_iss_parameter_supported") is True:
            raise SignOnRefused(code="answer-without-issuer")
        if "error" in request.GET:
            raise SignOnRefused(code="cancelled" if request.GET["error"] == "access_denied" else "provider-error")
        return state, None


def answer(request: HttpRequest, *, found: IdentityProvider) -> Any:
    """Take the provider's answer. Raises `SignOnRefused` (also `ProviderUnreachable`)."""
    provider = Provider(request, app=as_app(found))
    view = CallbackView()
    view.request, view.adapter = request, provider.get_oauth2_adapter(request)
    try:
        return view.dispatch(request)
    except ImmediateHttpResponse as done:
        return done.response


def question(
    request: HttpRequest,
    *,
    found: IdentityProvider,
    process: str,
    next_url: str,
    asked: dict[str, str] | None = None,
    **kept: Any,
) -> str:
    """The provider's address to send the person to; state, nonce and code verifier are in the session.

    `asked` are more parameters of the question, `kept` is what the answer finds again in its state.
    """
    provider = Provider(request, app=as_app(found))
    nonce = secrets.token_urlsafe(32)
    person = request.user.pk if request.user.is_authenticated else None
    response = provider.redirect(
        request,
        process,
        next_url=next_url,
        auth_params={"nonce": nonce, **(asked or {})},
        nonce=nonce,
        person=person,
        **kept,
    )
    address: str = response["Location"]
    return address


def callback_address(public_id: str) -> str:
    return settings.PUBLIC_URL + reverse("access:sign-on-callback", kwargs={"provider": public_id})


def back_channel_address(public_id: str) -> str:
    return settings.PUBLIC_URL + reverse("access:sign-on-back-channel", kwargs={"provider": public_id})


def after_sign_out_address() -> str:
    return settings.PUBLIC_URL + reverse("access:sign-in")
