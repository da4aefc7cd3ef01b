//! Which values can a type have? One of them, out of any bytes, for the tests and the fuzzers.
use arbitrary::{Result, Unstructured};
use wasmtime::component::{Type, Val};

pub(crate) fn any_value(ty: &Type, data: &mut Unstructured<'_>) -> Result<Val> {
    Ok(match ty {
        Type::Bool => Val::Bool(data.arbitrary()?),
        Type::S8 => Val::S8(data.arbitrary()?),
        Type::U8 => Val::U8(data.arbitrary()?),
        Type::S16 => Val::S16(data.arbitrary()?),
        Type::U16 => Val::U16(data.arbitrary()?),
        Type::S32 => Val::S32(data.arbitrary()?),
        Type::U32 => Val::U32(data.arbitrary()?),
        Type::S64 => Val::S64(data.arbitrary()?),
        Type::U64 => Val::U64(data.arbitrary()?),
        Type::Float32 => Val::Float32(data.arbitrary()?),
        Type::Float64 => Val::Float64(data.arbitrary()?),
        Type::Char => Val::Char(data.arbitrary()?),
        Type::String => Val::String(data.arbitrary()?),
        Type::List(list) => Val::List(several(data, |data| any_value(&list.ty(), data))?),
        Type::FixedLengthList(list) => Val::FixedLengthList(
            (0..list.len()).map(|_| any_value(&list.ty(), data)).collect::<Result<_>>()?,
        ),
        // One entry at most: two of one key are one in JSON.
        Type::Map(map) => Val::Map(
            maybe(data, |data| Ok((any_value(&map.key(), data)?, any_value(&map.value(), data)?)))?
                .into_iter()
                .collect(),
        ),
        Type::Record(record) => Val::Record(
            record
                .fields()
                .map(|field| Ok((field.name.to_owned(), any_value(&field.ty, data)?)))
                .collect::<Result<_>>()?,
        ),
        Type::Tuple(tuple) => {
            Val::Tuple(tuple.types().map(|ty| any_value(&ty, data)).collect::<Result<_>>()?)
        }
        Type::Variant(variant) => {
            let cases: Vec<_> = variant.cases().collect();
            let case = data.choose(&cases)?;
            Val::Variant(case.name.to_owned(), payload(case.ty.as_ref(), data)?)
        }
        Type::Enum(cases) => {
            let names: Vec<&str> = cases.names().collect();
            Val::Enum((*data.choose(&names)?).to_owned())
        }
        Type::Flags(flags) => {
            let each =
                flags.names().map(|name| Ok(data.arbitrary::<bool>()?.then(|| name.to_owned())));
            Val::Flags(each.filter_map(Result::transpose).collect::<Result<_>>()?)
        }
        Type::Option(option) => {
            Val::Option(maybe(data, |data| any_value(&option.ty(), data))?.map(Box::new))
        }
        Type::Result(result) => Val::Result(if data.arbitrary()? {
            Ok(payload(result.ok().as_ref(), data)?)
        } else {
            Err(payload(result.err().as_ref(), data)?)
        }),
        Type::Own(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext => {
            // No tool has one: `schemas` would have been told.
            return Err(arbitrary::Error::IncorrectFormat);
        }
    })
}

fn payload(ty: Option<&Type>, data: &mut Unstructured<'_>) -> Result<Option<Box<Val>>> {
    ty.map(|ty| any_value(ty, data).map(Box::new)).transpose()
}

fn maybe<T>(
    data: &mut Unstructured<'_>,
    one: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if data.arbitrary()? { one(data).map(Some) } else { Ok(None) }
}

pub(crate) fn several<T>(
    data: &mut Unstructured<'_>,
    one: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let length = data.int_in_range(0..=3)?;
    (0..length).map(|_| one(data)).collect()
}
