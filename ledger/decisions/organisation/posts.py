"""Posts: establish, abolish, and say to whom a post answers.

The management line may not run in a circle, nor through a support unit.
"""

from eventsourcing.dcb.domain import Selector

from ledger.decisions.dated import Dated, Problems, line_above_unit
from ledger.entry import Context, Draft
from ledger.errors import Conflict, Invalid
from ledger.events import organisation as facts
from ledger.model.authority import line_boundary, post_boundary
from ledger.model.history import History, about
from ledger.model.organisation import HEAD
from ledger.vocabulary import PostId, UnitId, UnitRef


class EstablishPost(Dated, frozen=True, kw_only=True):
    """Let a post exist in a unit; `superior` only where the structure does not say it."""

    post: PostId
    unit: UnitId
    role: str
    title_zh: str
    title_en: str
    superior: PostId | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The post, its unit, who leads above, and the superior's own line."""
        superior = line_boundary(history, self.superior) if self.superior else []
        above = line_above_unit(history, self.unit)
        return [about("post", self.post), *above, *superior, *self.by_boundary(history)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`post.established`; refuses a code in use, and a second head of one unit."""
        problems = self.problems(context)
        problems.code("post", self.post)
        problems.word("role", self.role)
        problems.name("title_zh", self.title_zh)
        problems.name("title_en", self.title_en)
        problems.refuse()
        row = history.rows["post"].get(self.post)
        if row is not None and row.life:
            raise Conflict(f"post {self.post!r} exists already; choose another code")
        history.unit(self.unit)
        self._require_authority(history, context)
        organisation, at = history.organisation, self.at(context)
        if not organisation.is_alive(self.unit, at):
            raise Conflict(f"unit {self.unit!r} does not exist then; check `effective_from`")
        head = organisation.head_post(self.unit, at)
        if self.role == HEAD and head is not None:
            raise Conflict(f"unit {self.unit!r} has the head post {head!r}; abolish it first")
        if self.superior is not None:
            _check_superior(self.superior, self.unit, history, self, context)
        fact = facts.PostEstablished(
            post=self.post,
            unit=self.unit,
            role=self.role,
            title_zh=self.title_zh,
            title_en=self.title_en,
            superior=self.superior,
        )
        return [self.draft(fact)]

    def _require_authority(self, history: History, context: Context) -> None:
        """The head of the unit may establish its other posts; a head post needs somebody above."""
        head = history.organisation.head_post(self.unit, context.received_at)
        if self.role != HEAD and head is not None and head == self.by:
            self.require_in_post(history, context, head)
        else:
            self.require_above_unit(history, context, self.unit)


class OfPost(Dated, frozen=True, kw_only=True):
    """A command about one post that exists, given by an operator or from above."""

    post: PostId

    def boundary(self, history: History) -> list[Selector]:
        """The post and who fills it, and who stands above."""
        line = line_boundary(history, self.post)
        return [*line, *post_boundary(history, self.post), *self.by_boundary(history)]

    def require(self, history: History, context: Context, problems: Problems) -> None:
        """Refuse what is malformed, unknown, or not for this actor."""
        problems.refuse()
        history.post(self.post)
        self.require_above_post(history, context, self.post)

    def require_existing(self, history: History, context: Context) -> None:
        """Refuse when the post does not exist at the effective instant."""
        if not history.organisation.post_exists(self.post, self.at(context)):
            raise Conflict(f"post {self.post!r} does not exist then; check `effective_from`")


class AbolishPost(OfPost, frozen=True, kw_only=True):
    """Let a post exist no longer."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`post.abolished`; refuses a post that somebody holds then."""
        self.require(history, context, self.problems(context))
        self.require_existing(history, context)
        holders = history.organisation.holders(self.post, self.at(context))
        if holders:
            raise Conflict(f"post {self.post!r} is held then; relieve its holder first")
        return [self.draft(facts.PostAbolished(post=self.post))]


class ChangeSuperior(OfPost, frozen=True, kw_only=True):
    """Let a post answer to another post; None returns it to the structural line."""

    superior: PostId | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The post and the new superior, and who stands above both."""
        superior = line_boundary(history, self.superior) if self.superior else []
        return [*super().boundary(history), *superior]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`post.superior_changed`; refuses circles and superiors on the support line."""
        self.require(history, context, self.problems(context))
        self.require_existing(history, context)
        organisation, at = history.organisation, self.at(context)
        if self.superior is not None:
            unit = history.post(self.post).unit
            _check_superior(self.superior, unit, history, self, context)
            line = [step.post for step in organisation.line(self.superior, at)]
            if self.post in (self.superior, *line):
                message = f"{self.superior!r} stands below {self.post!r} on the line"
                raise Invalid.field("superior", message)
        fact = facts.PostSuperiorChanged(post=self.post, superior=self.superior)
        return [self.draft(fact)]


def _check_superior(
    superior: PostId, unit: UnitRef, history: History, command: Dated, context: Context
) -> None:
    organisation = history.organisation
    above = history.post(superior)
    if not organisation.post_exists(superior, command.at(context)):
        raise Invalid.field(
            "superior", f"post {superior!r} does not exist then; name one that does"
        )
    if above.unit != unit and not organisation.is_line(above.unit):
        message = f"post {superior!r} is in a support unit, which holds nobody to account"
        raise Invalid.field("superior", message)
