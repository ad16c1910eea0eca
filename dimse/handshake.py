"""The answers to an association request that need neither connection nor database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from archive.domain import ae_titles
from dimse import services
from dimse.domain import negotiation, pdu
from dimse.domain.pdu import AnsweredContext, AssociateRequest, ContextResult, Rejection, Role


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


def fault_of(request: AssociateRequest) -> Rejection | None:
    """Why a request is refused whatever it asks for."""
    if not request.protocol_version & pdu.PROTOCOL_VERSION:
        return pdu.PROTOCOL_VERSION_NOT_SUPPORTED
    if request.application_context != pdu.APPLICATION_CONTEXT:
        return pdu.APPLICATION_CONTEXT_NOT_SUPPORTED
    if not ae_titles.is_sound(request.called_ae_title):
        return pdu.CALLED_AE_NOT_RECOGNISED
    if not ae_titles.is_sound(request.calling_ae_title):
        return pdu.CALLING_AE_NOT_RECOGNISED
    return None


def accepted_contexts(request: AssociateRequest, answers: Iterable[AnsweredContext]) -> dict[int, Context]:
    syntaxes = {context.context_id: context.abstract_syntax for context in request.contexts}
    return {
        answer.context_id: Context(answer.context_id, syntaxes[answer.context_id], answer.transfer_syntax)
        for answer in answers
        if answer.result == ContextResult.ACCEPTED
    }


def roles(request: AssociateRequest, contexts: Iterable[Context]) -> list[Role]:
    """The requestor is always SCU; SCP only where a service needs it (PS3.7 D.3.3.4)."""
    held = {context.abstract_syntax for context in contexts}
    may_be_scp = {uid for uid in held if (service := services.find(uid)) is not None and service.allow_scp_role}
    # C-GET sends instances back on this association: the requestor is then the SCP of storage classes.
    if may_be_scp:
        may_be_scp |= {uid for uid in held if negotiation.is_storage_class(uid)}
    return [
        Role(role.sop_class, scu=role.scu, scp=role.scp and role.sop_class in may_be_scp)
        for role in request.roles
        if role.sop_class in held
    ]


def extended(request: AssociateRequest) -> dict[str, bytes]:
    """SOP class extended negotiation, where a service answers it (PS3.7 D.3.3.5)."""
    found = {}
    for sop_class, information in request.extended.items():
        service = services.find(sop_class)
        answer = service.negotiate(information) if service is not None and service.negotiate is not None else None
        if answer is not None:
            found[sop_class] = answer
    return found
