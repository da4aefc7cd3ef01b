use toolward_vault::*;
pub fn read(secret: &Secret) -> String {
    secret.expose().to_owned()
}
