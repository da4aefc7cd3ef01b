//! The function, its line in the manifest, and its place on the list of tools.
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Error, Expr, ExprLit, FnArg, GenericArgument, Ident, ItemFn, Lit, LitStr, Meta, PatType,
    PathArguments, Result, ReturnType, Token, Type, parse::Parser, punctuated::Punctuated,
    spanned::Spanned as _,
};

use crate::documentation;

#[derive(Default)]
struct Settings {
    name: Option<LitStr>,
    title: String,
    description: Option<String>,
    flags: Vec<Ident>,
    wants: Vec<(LitStr, bool)>,
}

/// A parameter of the function.
enum Parameter {
    Input(Box<Type>),
    Handle { name: LitStr, required: bool },
}

pub(crate) fn expand(settings: TokenStream, mut function: ItemFn) -> Result<TokenStream> {
    let settings = Settings::parse(settings)?;
    if let Some(word) = &function.sig.asyncness {
        return Err(Error::new(
            word.span(),
            "a tool is a plain function: calls to the host wait by themselves",
        ));
    }
    let parameters = function.sig.inputs.iter_mut().map(parameter).collect::<Result<Vec<_>>>()?;
    let output = output(&function)?;
    let outline = outline(&settings, &function, &parameters, &output)?;
    let entry = entry(&settings, &function, &parameters)?;
    Ok(quote! {
        #function
        const _: () = {
            const OUTLINE: ::toolward_sdk::rt::Outline = #outline;
            // On other targets, the outline is checked and not kept.
            #[cfg_attr(target_arch = "wasm32", unsafe(link_section = "toolward:tool"), used)]
            static LINE: [u8; OUTLINE.length()] = OUTLINE.line();
            #entry
        };
    })
}

impl Settings {
    fn parse(tokens: TokenStream) -> Result<Self> {
        let mut settings = Self::default();
        for meta in Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens)? {
            settings.take(meta)?;
        }
        Ok(settings)
    }

    fn take(&mut self, meta: Meta) -> Result<()> {
        match &meta {
            Meta::NameValue(pair) if pair.path.is_ident("name") => {
                self.name = Some(text(&pair.value)?)
            }
            Meta::NameValue(pair) if pair.path.is_ident("title") => {
                self.title = text(&pair.value)?.value()
            }
            Meta::NameValue(pair) if pair.path.is_ident("description") => {
                self.description = Some(text(&pair.value)?.value())
            }
            Meta::List(list)
                if list.path.is_ident("capabilities") || list.path.is_ident("optional") =>
            {
                let required = list.path.is_ident("capabilities");
                let names =
                    list.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated)?;
                for name in names {
                    check_capability(&name)?;
                    self.wants.push((name, required));
                }
            }
            Meta::Path(path) if FLAGS.iter().any(|flag| path.is_ident(flag)) => {
                self.flags.extend(path.get_ident().cloned())
            }
            other => {
                let message = "write `name`, `title` or `description` with `= \"…\"`, `capabilities(\"…\")`, `optional(\"…\")`, \
                               or one of `read_only`, `destructive`, `idempotent`, `open_world`";
                return Err(Error::new(other.span(), message));
            }
        }
        Ok(())
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|one| one == flag)
    }
}

fn text(value: &Expr) -> Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        other => Err(Error::new(other.span(), "write a text in quotes")),
    }
}

/// Takes the `capability` attribute off a parameter.
fn parameter(argument: &mut FnArg) -> Result<Parameter> {
    let FnArg::Typed(PatType { attrs, ty, .. }) = argument else {
        return Err(Error::new(argument.span(), "a tool is a plain function, not a method"));
    };
    let Some(place) = attrs.iter().position(|attribute| attribute.path().is_ident("capability"))
    else {
        return Ok(Parameter::Input(ty.clone()));
    };
    let name: LitStr = attrs.remove(place).parse_args()?;
    check_capability(&name)?;
    let optional = last_segment(ty).is_some_and(|ident| ident == "Option");
    Ok(Parameter::Handle { name, required: !optional })
}

fn check_capability(name: &LitStr) -> Result<()> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let value = name.value();
    if value.split(':').count() == 3 && value.split(':').all(part) {
        Ok(())
    } else {
        Err(Error::new(
            name.span(),
            "a capability is `service:resource:action`, in lower case letters, digits and `-`",
        ))
    }
}

fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}

/// The `T` of `Result<T, E>`.
fn output(function: &ItemFn) -> Result<Type> {
    let wrong = || Error::new(function.sig.span(), "a tool returns `Result<T, ToolError>`");
    let ReturnType::Type(_, ty) = &function.sig.output else { return Err(wrong()) };
    let Type::Path(path) = &**ty else { return Err(wrong()) };
    let last =
        path.path.segments.last().filter(|segment| segment.ident == "Result").ok_or_else(wrong)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Err(wrong()) };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) => Ok(ty.clone()),
        _ => Err(wrong()),
    }
}

fn input(parameters: &[Parameter]) -> Result<Option<&Type>> {
    let mut inputs = parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Input(ty) => Some(ty.as_ref()),
        Parameter::Handle { .. } => None,
    });
    let first = inputs.next();
    match inputs.next() {
        Some(second) => Err(Error::new(
            second.span(),
            "a tool takes its arguments in one type; mark a handle with `#[capability(\"…\")]`",
        )),
        None => Ok(first),
    }
}

fn name(settings: &Settings, function: &ItemFn) -> LitStr {
    let ident = &function.sig.ident;
    settings.name.clone().unwrap_or_else(|| LitStr::new(&ident.to_string(), ident.span()))
}

fn outline(
    settings: &Settings,
    function: &ItemFn,
    parameters: &[Parameter],
    output: &Type,
) -> Result<TokenStream> {
    let (name, title) = (name(settings, function), &settings.title);
    let description =
        settings.description.clone().unwrap_or_else(|| documentation::text(&function.attrs));
    if description.is_empty() {
        return Err(Error::new(
            function.sig.ident.span(),
            "a tool needs a doc comment: it tells a model what the tool does",
        ));
    }
    let input = input(parameters)?.map_or_else(|| quote!(()), |ty| quote!(#ty));
    let wants = wants(settings, parameters);
    let [read_only, destructive, idempotent, open_world] = FLAGS.map(|flag| settings.has(flag));
    Ok(quote! {
        ::toolward_sdk::rt::Outline {
            name: #name,
            title: #title,
            description: #description,
            input: <#input as ::toolward_sdk::ToolType>::SCHEMA,
            output: <#output as ::toolward_sdk::ToolType>::SCHEMA,
            read_only: #read_only,
            destructive: #destructive,
            idempotent: #idempotent,
            open_world: #open_world,
            wants: &[#(#wants),*],
        }
    })
}

/// Every capability of the tool, once; and the log, which the panic hook needs.
fn wants(settings: &Settings, parameters: &[Parameter]) -> Vec<TokenStream> {
    let handles = parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Handle { name, required } => Some((name.value(), *required)),
        Parameter::Input(_) => None,
    });
    let listed = settings.wants.iter().map(|(name, required)| (name.value(), *required));
    let mut wants: Vec<(String, bool)> = Vec::new();
    for (name, required) in handles.chain(listed).chain([(LOG.to_owned(), false)]) {
        match wants.iter_mut().find(|(one, _)| *one == name) {
            Some((_, before)) => *before |= required,
            None => wants.push((name, required)),
        }
    }
    wants.into_iter().map(|(name, required)| quote!((#name, #required))).collect()
}

fn entry(settings: &Settings, function: &ItemFn, parameters: &[Parameter]) -> Result<TokenStream> {
    let (name, ident) = (name(settings, function), &function.sig.ident);
    let read = match input(parameters)? {
        Some(ty) => quote!(let input = ::toolward_sdk::rt::read::<#ty>(arguments)?;),
        None => quote!(::toolward_sdk::rt::read_nothing(arguments)?;),
    };
    let values =
        (0..parameters.len()).map(|number| format_ident!("value_{number}")).collect::<Vec<_>>();
    let makers = parameters.iter().map(|parameter| match parameter {
        Parameter::Input(_) => quote!(input),
        Parameter::Handle { name, required: true } => quote!(::toolward_sdk::rt::obtain(#name)?),
        Parameter::Handle { name, required: false } => {
            quote!(::toolward_sdk::rt::obtain_optional(#name))
        }
    });
    Ok(quote! {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            fn call(arguments: &str) -> ::core::result::Result<::std::string::String, ::toolward_sdk::ToolError> {
                #read
                #(let #values = #makers;)*
                let result = #ident(#(#values),*).map_err(::toolward_sdk::ToolError::from)?;
                ::toolward_sdk::rt::write(&result)
            }
            static ENTRY: ::toolward_sdk::rt::Entry = ::toolward_sdk::rt::Entry::new(#name, call);
            extern "C" fn register() {
                ::toolward_sdk::rt::register(&ENTRY);
            }
            #[unsafe(link_section = ".init_array")]
            #[used]
            static REGISTER: extern "C" fn() = register;
        };
    })
}

const FLAGS: [&str; 4] = ["read_only", "destructive", "idempotent", "open_world"];
const LOG: &str = "host:log:write";
