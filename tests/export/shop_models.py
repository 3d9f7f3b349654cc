"""An application's models, with one of everything that metadata can say."""

import enum
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    Sequence,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

print("models are imported")


class Mood(enum.Enum):
    SAD = "sad"
    OK = "ok"


class Trimmed(TypeDecorator[str]):
    impl = String(40)
    cache_ok = True


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s",
        }
    )


mood_type = Enum(Mood, name="Mood", values_callable=lambda labels: [label.value for label in labels])
email = pg.DOMAIN("email", Text(), check="VALUE LIKE '%@%'")
required = pg.DOMAIN("required", Text(), not_null=True, constraint_name="required_long", check="length(VALUE) > 3")
Sequence("tickets", metadata=Base.metadata)


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(255, collation="C"))
    mood: Mapped[Mood] = mapped_column(mood_type)
    moods: Mapped[list[Mood] | None] = mapped_column(ARRAY(mood_type))
    state: Mapped[str | None] = mapped_column(Enum("open", "paid", name="status", schema="billing"))
    size: Mapped[str] = mapped_column(Enum("s", "m", name="size", native_enum=False, create_constraint=True))
    flag: Mapped[bool] = mapped_column(Boolean(name="flag", create_constraint=True))
    mail: Mapped[str | None] = mapped_column(email)
    must: Mapped[str | None] = mapped_column(required)
    mails: Mapped[list[str] | None] = mapped_column(ARRAY(email))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    at3: Mapped[datetime | None] = mapped_column(pg.TIMESTAMP(precision=3))
    day: Mapped[date | None] = mapped_column(CheckConstraint("day > '2000-01-01'", name="late"))
    span: Mapped[Any] = mapped_column(Interval(), nullable=True)
    span3: Mapped[Any] = mapped_column(pg.INTERVAL(fields="DAY TO SECOND", precision=3), nullable=True)
    n: Mapped[Any] = mapped_column(Numeric(10, 2))
    f: Mapped[float] = mapped_column(Float(24))
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    trimmed: Mapped[str | None] = mapped_column(Trimmed)
    either: Mapped[Any] = mapped_column(Text().with_variant(pg.JSONB(), "postgresql"), nullable=True)
    external: Mapped[Any] = mapped_column(Uuid, unique=True)
    full: Mapped[str] = mapped_column(Text, Computed("name || '!'"))
    seq: Mapped[int] = mapped_column(Integer, Identity(always=True))
    seq2: Mapped[int] = mapped_column(Integer, Identity())
    odd: Mapped[int | None] = mapped_column("Odd.100%", Integer, key="odd")
    xmin: Mapped[int] = mapped_column(Integer, system=True)
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)

    __table_args__ = (
        CheckConstraint("n > 0", name="positive"),
        Index("users_lower", func.lower(text("name")), unique=True),
        Index("users_partial", "day", unique=True, postgresql_where=text("n > 3")),
        Index("users_upper", text("upper(name)")),
        Index("users_span", text("span DESC"), unique=True),
        Index("users_day_n", "day", "n", unique=True, postgresql_nulls_not_distinct=True),
    )


class Invoice(Base):
    __tablename__ = "invoice"

    id: Mapped[int] = mapped_column(Integer, Sequence("invoice_numbers", schema="billing"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, name="of_user", use_alter=True))
    during: Mapped[Any] = mapped_column(pg.TSRANGE)

    __table_args__ = (pg.ExcludeConstraint(("during", "&&"), name="apart"), {"schema": "billing"})


plain = MetaData()
"""Names that the server chooses."""
Table(
    "a_b",
    plain,
    Column("c", Integer, CheckConstraint("c > 0")),
    Column("d", Integer),
    Column("lower", Text),
    Column("text", Text),
    Column("day", Text),
    Column("during", pg.TSRANGE),
    CheckConstraint("c > d"),
    CheckConstraint("lower(lower) <> 'd'"),
    CheckConstraint("1 = 1"),
    CheckConstraint("CAST(d AS text) <> 'c' AND d::text <> text 'c''c'"),
    CheckConstraint("extract(day FROM lower(during)) > 3 AND \"lower\" IN ('c', 'd')"),
    UniqueConstraint("c", "d"),
    pg.ExcludeConstraint(("during", "&&")),
    CheckConstraint("d <> 7"),
)
a = Table(
    "a", plain, Column("b_c", Integer), Column("b_d", Integer, primary_key=True), CheckConstraint("b_c > 0 AND b_c < 9")
)
a.append_constraint(CheckConstraint(a.c.b_c != 5))
a.append_constraint(ForeignKeyConstraint(["b_c"], ["a.b_d"]))
Table(
    "long_" * 9,
    plain,
    Column("column_" * 8, Integer, CheckConstraint("column_" * 8 + " > 0"), CheckConstraint("column_" * 8 + " < 9")),
)
Table("only_id", plain, Column("id", Integer, Identity(always=True), primary_key=True))


class Registry:
    metadata = plain


db = Registry()
text_value = "text"
nothing = MetaData()
unknown = MetaData()
Table("t", unknown, Column("c"))
foreign = MetaData()
Table("t", foreign, Column("c", Integer, ForeignKey("elsewhere.id")))


def make() -> Registry:
    return db


def broken() -> None:
    raise RuntimeError("no settings\nhere")
